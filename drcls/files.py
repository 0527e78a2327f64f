"""Files that are whole or absent: written under a temporary name and renamed, with the permissions of the umask."""

import contextlib
import json
import os
import uuid
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path):
    """Give a temporary path beside `path`, which takes its place when the block ends without an error.

    Readers see the old file, or all of the new one. The folder is made where it is missing.

    Args:
        path: Path or str of the file.

    Yields:
        Path with the same ending.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex[:12]}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path, wait=True):
    """Hold a lock file while the block runs, and remove it afterwards; one process or thread at a time has it.

    The lock of a killed process is free.

    Args:
        path: Path of the lock file, in a folder that exists.
        wait: bool, whether to wait for another holder; else its lock is an error.

    Raises:
        BlockingIOError: where another process or thread holds the lock and `wait` is false.
    """
    import fcntl  # Windows has none, and whoever reads results there needs none

    path = Path(path)
    while True:
        with _open_lock(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not _is_file(file, path):
                continue  # its holder removed it in between: whoever comes next would lock another file
            try:
                yield
            finally:
                path.unlink()
            return


@contextlib.contextmanager
def lock_folder(folder, in_use):
    """Keep other processes from writing into a folder while the block runs; the lock of a killed one is free.

    Args:
        folder: Path of the folder, there or not; its lock file lies beside it.
        in_use: Exception that is raised where another process writes there.

    Raises:
        PermissionError: where the lock file cannot be made.

    Example:
        with lock_folder("runs/plain", ValueError("runs/plain: another process trains there")):
            ...
    """
    folder = Path(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locked(folder.with_name(f".{folder.name}.lock"), wait=False))
        except BlockingIOError as error:
            raise in_use from error
        except PermissionError as error:
            raise PermissionError(
                f"{folder.parent} cannot be written to, where the lock file of {folder} would lie; choose a folder "
                f"of which this user may write beside it, such as {folder / 'new'}"
            ) from error
        yield


def _open_lock(path):
    """Open a lock file, made where it is missing; to read that of another user is enough for a lock."""
    try:
        return path.open("a")
    except PermissionError:
        if not path.exists():  # the folder cannot be written to
            raise
        return path.open()


def _is_file(file, path):
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_partial(path):
    """Whether a file is one that `atomic_path` writes to, or was left by a writer that was killed."""
    return Path(path).name.startswith(".") and ".partial" in Path(path).name


def remove_partial(folder):
    """Delete what killed writers left below a folder that no other process writes to."""
    for path in Path(folder).rglob(".*.partial*"):
        path.unlink(missing_ok=True)


def write_bytes(path, content):
    """Write bytes through `atomic_path`."""
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def write_text(path, text):
    """Write UTF-8 text through `atomic_path`; what is no text, such as a name's odd bytes, as `printable` has it."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def printable(text):
    r"""Return a text with escapes for what UTF-8 cannot hold: a file name may be any bytes.

    Example:
        >>> printable("a/\udce9tude.png")
        'a/\\udce9tude.png'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def write_json(path, content):
    """Write strict JSON (no NaN), indented, through `atomic_path`."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path, frame):
    """Write a DataFrame without its index, through `atomic_path`."""
    write_text(path, frame.to_csv(index=False))


def read_json(path):
    """Read JSON, with or without the mark that editors on Windows write; an error names the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def encode_png(image):
    """Encode an image as a PNG file.

    Args:
        image: uint8 (H, W, 3), RGB, or (H, W), grey.

    Returns:
        bytes.
    """
    import cv2  # whoever reads committed results needs no image library

    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes()
