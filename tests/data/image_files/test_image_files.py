"""drcls.data.image_files: a file is read whole or refused, and a header is believed only where the content fits it."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drcls.data.image_files import FORMATS, ImageFileError, decode_file, read_header
from drcls.data.image_files.jpeg import MAX_SCANS, MAX_SEGMENTS
from drcls.data.image_files.png import MAX_CHUNKS, SIGNATURE
from tests.data.image_files.samples import KINDS, SIDES, chunk, picture, png_of, with_frame_size, written


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_whole_file_is_decoded_as_pillow_does(kind, mode):
    name, options = KINDS[kind]
    image = picture() if mode == "RGB" else picture()[..., 0]
    data = written(image, name, **options)
    assert read_header(data) == read_header(data, formats=[name])
    header = read_header(data)
    assert (header.format, header.width, header.height) == (name, SIDES[1], SIDES[0])
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)
    assert np.abs(decode_file(data) - expected).max() <= (3 if name == "JPEG" else 0)
    np.testing.assert_array_equal(decode_file(data + b"bytes after the end" * 40), decode_file(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_the_exif_orientation_is_applied(name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(picture(), name, exif=exif)
    turned = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    np.testing.assert_array_equal(decode_file(data), turned)
    assert decode_file(data).shape[:2] == (SIDES if orientation < 5 else SIDES[::-1])


@pytest.mark.parametrize("kind", ["PNG", "plain TIFF", "LZW TIFF", "deflate TIFF", "BMP", "WebP"])
def test_half_a_file_of_another_kind_is_refused(kind):
    name, options = KINDS[kind]
    data = written(picture(), name, **options)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(data[: int(share * len(data))])


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(name):
    buffer = io.BytesIO()
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageFileError, match="several pictures in one file"):
        decode_file(buffer.getvalue())


def test_what_a_decoder_would_choke_on_is_refused_by_the_header():
    jpeg = written(picture(), "JPEG", progressive=True)
    scan = jpeg.rindex(b"\xff\xda")
    many_scans = jpeg[:-2] + (jpeg[scan:-2]) * MAX_SCANS + b"\xff\xd9"
    many_segments = jpeg[:2] + b"\xff\xfe\0\2" * MAX_SEGMENTS + jpeg[2:]
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    long_chunk = png_of(120, 96, raw, more=chunk(b"tEXt", b"", length=2**32 - 1))
    many_chunks = png_of(120, 96, raw, more=chunk(b"teSt", b"") * MAX_CHUNKS)
    bomb = png_of(120, 96, bytes(2**26))
    for data, reason in (
        (many_scans, "more than 64 scans"),
        (many_segments, "more than 10000 segments"),
        (long_chunk, "a PNG chunk of 4294967295 bytes"),
        (many_chunks, "more than 100000 chunks"),
        (bomb, "more pixels than its header announces"),
        (jpeg.replace(b"\xff\xc2", b"\xff\xc9"), "a JPEG of kind 0xc9"),
        (written(picture(), "TIFF", compression="jpeg"), "a TIFF of compression 7"),
        (png_of(60_000, 60_000, b""), "bomb"),
        (with_frame_size(written(picture(), "JPEG"), 60_000, 60_000), "bomb"),
    ):
        with pytest.raises(ImageFileError, match=reason):
            decode_file(data)


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "empty"),
        (b"id_code,diagnosis\n", "not an image of a known format"),
        (SIGNATURE, "ends early"),
        (b"\xff\xd8\xff", "no JPEG marker|longer than the file"),
        (b"BM" + bytes(10), "ends early"),
        (b"II*\0\x08\0\0\0", "ends early"),
        (b"RIFF\x04\0\0\0WEBP", "ends early"),
        (written(picture(0, (4, 40)), "PNG"), "too small"),
        (png_of(120, 96, b"", bits=16), "16 bits"),
        (png_of(120, 96, b"", colour=6), "alpha"),
        (png_of(120, 96, b"", colour=4), "alpha"),
    ],
)
def test_what_is_no_image_to_take(data, reason):
    with pytest.raises(ImageFileError, match=reason):
        decode_file(data)


def test_colours_that_are_refused():
    rgb = Image.fromarray(picture())
    for mode, name, reason in (
        ("CMYK", "JPEG", "CMYK"), ("RGBA", "PNG", "alpha"), ("RGBA", "WEBP", "alpha"), ("RGBA", "TIFF", "alpha"),
        ("CMYK", "TIFF", "TIFF kind 5"), ("I;16", "TIFF", "16 bits"),
    ):  # fmt: skip
        image = Image.fromarray(picture()[..., 0].astype(np.uint16)) if mode == "I;16" else rgb.convert(mode)
        if mode == "RGBA":
            image.putalpha(128)
        buffer = io.BytesIO()
        image.save(buffer, name)
        with pytest.raises(ImageFileError, match=reason):
            decode_file(buffer.getvalue())


WHOLE = {kind: written(picture(0, (24, 30)), name, **options) for kind, (name, options) in KINDS.items()}


@settings(max_examples=300)
@given(
    st.sampled_from(list(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_a_damaged_file_is_refused_by_name_or_read(kind, changes, share):
    data = bytearray(WHOLE[kind])
    for place, byte in changes:
        data[int(place * len(data))] = byte
    for content in (bytes(data), bytes(data[: int(share * len(data))])):
        try:
            assert decode_file(content).dtype == np.uint8
        except ImageFileError as error:
            assert str(error)


def test_only_the_formats_asked_for():
    with pytest.raises(ImageFileError, match="one of JPEG, PNG expected"):
        decode_file(WHOLE["BMP"], formats=("JPEG", "PNG"))
    assert set(FORMATS) == {"JPEG", "PNG", "BMP", "TIFF", "WEBP"}
