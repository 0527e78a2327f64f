import pytest

from data_prep.joined_file import JoinedFile


def test_joined_file_seeks_and_reads_across_its_parts(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path, data in zip(paths, (b"01", b"234", b"56789"), strict=True):
        path.write_bytes(data)
    with JoinedFile(paths) as joined:
        assert joined.read() == b"0123456789"
        joined.seek(-6, 2)
        assert joined.tell() == 4
        assert joined.read(1) + joined.read(3) == b"4567"
        joined.seek(100)
        assert joined.read(1) == b""
        with pytest.raises(OSError, match="before the start"):
            joined.seek(-1)
