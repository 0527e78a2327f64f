"""Where a data set comes from: a folder or a zip, each seen as a flat list of named files.

Nothing is unpacked: files are read out of the archive when they are needed, so a hostile name in an archive
never becomes a path on disk.
"""

import glob
import hashlib
import io
import os
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

from data_prep.joined_file import JoinedFile

LISTED = 20
# No photograph needs more; what claims more is refused before it is unpacked.
MAX_FILE_BYTES = 2**27
_CHUNK = 2**20
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")


class PreparationError(Exception):
    """The source, its labels or the output folder are not as they must be; the message says which and why."""


class UnreadableFileError(PreparationError):
    """One file of a source cannot be read; the others can.

    Args:
        name: of the file, with that of its archive.
        reason: why.
    """

    def __init__(self, name, reason):
        super().__init__(f"{name} {reason}")
        self.reason = reason


def shorten(items):
    """List the first twenty items and say how many there are."""
    items = [str(item) for item in items]
    more = f", ... and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return f"{len(items)}: {', '.join(items[:LISTED])}{more}"


class _FolderFile:
    """A file of a folder."""

    def __init__(self, path):
        self.path = path
        self.size = path.stat().st_size

    def read(self):
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableFileError(self.path, f"cannot be read ({error.strerror})") from error

    def checksum(self):
        """Return the CRC-32 that an archive would list; None of a file that cannot be read."""
        checksum = 0
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    checksum = zlib.crc32(chunk, checksum)
        except OSError:
            return None
        return checksum


class _NoFile:
    """A link of a folder that leads nowhere."""

    size = 0

    def __init__(self, name):
        self.name = name

    def read(self):
        raise UnreadableFileError(self.name, "is a link that leads nowhere")

    def checksum(self):
        """Return that of no bytes."""
        return 0


class _ZipFile:
    """A file of an open archive."""

    def __init__(self, archive, entry, archive_name):
        self.archive, self.entry, self.archive_name = archive, entry, archive_name
        self.size = entry.file_size

    def read(self):
        """Unpack in chunks: an entry that is larger than it says is never in memory as a whole."""
        name, method = f"{self.archive_name}: {self.entry.filename}", self.entry.compress_type
        if _is_link(self.entry):
            raise UnreadableFileError(name, "is a link, which is not followed in an archive")
        if method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableFileError(name, f"is packed by method {method}; stored or deflated expected")
        try:
            with self.archive.open(self.entry) as file:
                return b"".join(iter(lambda: file.read(_CHUNK), b""))
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise UnreadableFileError(name, f"is damaged or encrypted in its archive ({error})") from error

    def checksum(self):
        """Return the CRC-32 that the archive lists."""
        return self.entry.CRC


class Source:
    """The files of a folder or an archive by their names, open for reading; a context manager.

    Archives that lie in a folder, also in parts as Kaggle packs them (`train.zip.001`), are looked into, and
    linked folders are followed. Hidden files and what macOS adds to archives are left out.

    Args:
        path: a folder or a zip.

    Attributes:
        names: sorted names of the files.
        folders: set of the names of all folders, empty ones included; the source itself is "".

    Raises:
        PreparationError: The path does not exist, an archive is damaged, or a name in it points out of it.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._files, self._open, self.folders = {}, [], {""}
        try:
            if self.path.is_dir():
                self._add_folder()
            elif self.path.is_file():
                self._add_archive([self.path])
            else:
                raise PreparationError(f"{path} does not exist; a folder, a zip or 'kaggle' was expected")
        except PreparationError:
            self.close()
            raise
        self.names = sorted(self._files)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the archives."""
        for file in reversed(self._open):
            file.close()

    def size(self, name):
        """Return the number of bytes of a file."""
        return self._files[name].size

    def read(self, name):
        """Return the bytes of a file.

        Raises:
            UnreadableFileError: The file is too large, may not be read, or the archive is damaged there.
        """
        if self.size(name) > MAX_FILE_BYTES:
            raise UnreadableFileError(name, f"has {self.size(name)} bytes, at most {MAX_FILE_BYTES} expected")
        return self._files[name].read()

    def fingerprint(self):
        """Return two digests, of all names with sizes and of all contents, which tell a changed source and no copy.

        An archive lists checksums of its files; the files of a folder are read for theirs, which takes little beside
        decoding them as images. What is too large for `read` counts by its size alone.
        """
        sizes = "\n".join(f"{name}\t{self.size(name)}" for name in self.names)
        small = [self._files[name] for name in self.names if self.size(name) <= MAX_FILE_BYTES]
        contents = "\n".join(str(file.checksum()) for file in small)
        # Names that are no text are those of single files, which are rejected later.
        return "+".join(
            hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
            for listing in (sizes, contents)
        )

    def _add_folder(self):
        for folder, names in _walk(self.path):
            inner = folder.relative_to(self.path).as_posix()
            self.folders.add("" if inner == "." else inner)
            for path in (folder / name for name in names):
                if path.name.lower().endswith((".zip", ".zip.001")):
                    parts = (
                        sorted(folder.glob(f"{glob.escape(path.stem)}.[0-9]*"))
                        if path.suffix == ".001"
                        else [path]
                    )
                    self._add_archive(parts)
                elif not path.exists():
                    name = path.relative_to(self.path).as_posix()
                    self._files[_need_ending(name, "is a link that leads nowhere")] = _NoFile(name)
                elif path.is_file() and not zipfile_part(path.name):
                    self._files[path.relative_to(self.path).as_posix()] = _FolderFile(path)

    def _add_archive(self, parts):
        file = parts[0].open("rb") if len(parts) == 1 else io.BufferedReader(JoinedFile(parts))
        self._open.append(file)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise PreparationError(
                f"{parts[0]} is not a readable zip archive ({error}); name a folder or a zip"
            ) from error
        self._open.append(archive)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        unsafe = [entry.filename for entry in entries if _is_unsafe(entry.filename)]
        if unsafe:
            raise PreparationError(f"{parts[0]} holds names that point out of the archive, {shorten(unsafe)}")
        repeated = [name for name, count in Counter(map(_plain_name, entries)).items() if count > 1]
        if repeated:
            raise PreparationError(f"{parts[0]} holds names more than once, {shorten(repeated)}")
        shown = [entry for entry in archive.infolist() if not _is_hidden(entry.filename)]
        for entry in filter(_is_link, shown):
            _need_ending(entry.filename, f"is a link in {parts[0]}; unpack that, and give the folder")
        for entry in shown:
            folder = PurePosixPath(entry.filename) if entry.is_dir() else PurePosixPath(entry.filename).parent
            self.folders |= {str(inner) for inner in (folder, *folder.parents) if inner.name}
        files = {
            _plain_name(entry): _ZipFile(archive, entry, parts[0]) for entry in shown if not entry.is_dir()
        }
        twice = sorted(set(files) & set(self._files))
        if twice:
            raise PreparationError(
                f"{parts[0]} holds names that other files of {self.path} have too, {shorten(twice)}"
            )
        self._files |= files


def _walk(root):
    """List (folder, sorted file names) of a folder and all in it that is not hidden; links are followed.

    A link to a folder that holds it would go on for ever, and is left out.
    """

    def refuse(error):
        raise PreparationError(f"{error.filename} may not be read ({error.strerror})") from error

    listed = []
    for folder, inner, names in os.walk(root, followlinks=True, onerror=refuse):
        above = {os.path.realpath(path) for path in (Path(folder), *Path(folder).parents)}
        inner[:] = sorted(
            name
            for name in inner
            if not _is_hidden(name) and os.path.realpath(Path(folder, name)) not in above
        )
        listed.append((Path(folder), sorted(name for name in names if not _is_hidden(name))))
    return listed


def check_unpacked(source):
    """Refuse a source in which archives lie that nobody looks into: what they hold would be missing in silence.

    Raises:
        PreparationError: There are some.
    """
    packed = [name for name in source.names if name.lower().endswith(ARCHIVES)]
    if packed:
        raise PreparationError(
            f"{source.path}: archives that are not looked into, {shorten(packed)}; unpack or remove them"
        )


def _plain_name(entry):
    """Return the name of an entry as paths have it: `a/b.png` for `./a//b.png`."""
    return str(PurePosixPath(entry.filename))


def _is_link(entry):
    return stat.S_ISLNK(entry.external_attr >> 16)


def _need_ending(name, what):
    """Return the name of a link that is a file's by its ending; a folder's images would be missing in silence."""
    if not PurePosixPath(name).suffix:
        raise PreparationError(f"{name} {what}")
    return name


def zipfile_part(name):
    """Tell whether a file name is that of a part of an archive, such as `train.zip.002`."""
    return ".zip." in name and name.rsplit(".", 1)[1].isdigit()


def _is_unsafe(name):
    return name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/")


def _is_hidden(name):
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
