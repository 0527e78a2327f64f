"""An archive that was distributed in parts, read as one file."""

import io


class JoinedFile(io.RawIOBase):
    """Several files read as one: an archive that was distributed as `x.zip.001`, `x.zip.002`, ..."""

    def __init__(self, paths):
        self._files = [path.open("rb") for path in paths]
        self._sizes = [path.stat().st_size for path in paths]
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._position

    def seek(self, offset, whence=io.SEEK_SET):
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: sum(self._sizes)}[whence]
        if base + offset < 0:
            raise OSError(f"cannot seek to {base + offset}, before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer):
        start = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            if self._position < start + size:
                file.seek(self._position - start)
                count = file.readinto(memoryview(buffer)[: start + size - self._position])
                self._position += count
                return count
            start += size
        return 0

    def close(self):
        for file in self._files:
            file.close()
        super().close()
