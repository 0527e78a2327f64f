"""drcls.data.image_files.bmp: the header must fit the pixels."""

import struct

import numpy as np
import pytest

from drcls.data.image_files import ImageFileError, decode_file
from tests.data.image_files.samples import picture, written


@pytest.mark.parametrize("place, letter", [(18, "i"), (22, "i")])
@pytest.mark.parametrize("change", [-40, 40])
@pytest.mark.parametrize("size_of_pixels", [True, False])
def test_a_bmp_header_that_lies_is_refused(place, letter, change, size_of_pixels):
    data = bytearray(written(picture(), "BMP"))
    if not size_of_pixels:
        struct.pack_into("<I", data, 34, 0)
        np.testing.assert_array_equal(decode_file(bytes(data) + b"more"), picture())
    struct.pack_into(letter, data, place, struct.unpack_from(letter, data, place)[0] + change)
    with pytest.raises(ImageFileError, match="does not fit its pixels"):
        decode_file(bytes(data))
