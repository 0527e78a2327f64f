"""drcls.data.image_files.unpacked: strips are measured without being unpacked."""

import tracemalloc
import zlib

import pytest

from drcls.data.image_files import ImageFileError
from drcls.data.image_files.unpacked import unpacked_size


def packed(codes):
    """Pack LZW codes of nine bits."""
    bits = "".join(format(code, "09b") for code in codes)
    return int(bits + "0" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")


def test_lzw_codes_are_followed():
    """Clear, a, b, ab (258), aba (260, named while it is made), end."""
    assert unpacked_size(packed([256, 65, 66, 258, 260, 257]), 5, 99) == 1 + 1 + 2 + 3
    assert unpacked_size(packed([256, 65, 258, 259, 256, 66, 257]), 5, 99) == 1 + 2 + 3 + 1
    with pytest.raises(ImageFileError, match="stands for nothing"):
        unpacked_size(packed([256, 65, 300, 257]), 5, 99)


@pytest.mark.parametrize("codes", [[256], [256, 65]])
def test_a_table_cleared_for_every_byte_is_refused_at_once(codes):
    with pytest.raises(ImageFileError, match="cleared too often"):
        unpacked_size(packed(codes * 3000), 5, 10_000)


def test_a_strip_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    bomb = zlib.compress(bytes(2**28), 9)
    tracemalloc.start()
    assert unpacked_size(bomb, 8, 200_000) > 200_000
    with pytest.raises(ImageFileError, match="packed into"):
        unpacked_size(bomb, 8, 1000)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()
