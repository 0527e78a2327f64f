"""drcls.data.image_files: a file is read whole or refused, and a header is believed only where the content fits it."""

import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from drcls.data.image_files import FORMATS, ImageFileError, decode_file, read_header
from drcls.data.image_files.jpeg import MAX_SCANS, MAX_SEGMENTS
from drcls.data.image_files.png import MAX_CHUNKS, SIGNATURE
from drcls.data.image_files.unpacked import unpacked_size

SIDES = (96, 120)


def picture(seed=0, sides=SIDES):
    """Return structure at all scales, uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    scales = [rng.normal(0, 160 / n, (n, n, 3)) for n in (4, 8, 16, 32)]
    layers = [cv2.resize(scale, sides[::-1], interpolation=cv2.INTER_CUBIC) for scale in scales]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def written(image, name, **options):
    """Return the bytes that Pillow writes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, name, **options)
    return buffer.getvalue()


def chunk(kind, content, length=None):
    """Return a PNG chunk; `length` is what it says of its length."""
    length = len(content) if length is None else length
    return struct.pack(">I", length) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width, height, raw, bits=8, colour=2, interlaced=0, more=b""):
    """Return a PNG whose header announces one size and whose pixels are `raw`."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return SIGNATURE + header + more + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def with_frame_size(jpeg, width, height):
    """Return a baseline JPEG whose frame header announces another size."""
    place = jpeg.index(b"\xff\xc0")
    return jpeg[: place + 5] + struct.pack(">HH", height, width) + jpeg[place + 9 :]


KINDS = {
    "baseline": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "restart markers": ("JPEG", {"restart_marker_blocks": 3}),
    "no subsampling": ("JPEG", {"subsampling": 0}),
    "PNG": ("PNG", {}),
    "BMP": ("BMP", {}),
    "plain TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "deflate TIFF": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
}


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


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "P", "L", "RGB"])
@pytest.mark.parametrize("sides", [(8, 9), (33, 10), (61, 8)])
def test_png_of_every_kind(mode, interlaced, sides):
    image = Image.fromarray(picture(3, sides)).convert(mode)
    if interlaced:  # Pillow writes none; OpenCV neither
        raw = interlace(np.asarray(image.convert("RGB")))
        data = png_of(sides[1], sides[0], raw, interlaced=1)
    else:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        data = buffer.getvalue()
    np.testing.assert_array_equal(decode_file(data), np.asarray(image.convert("RGB")))


def interlace(image):
    """Write the seven passes of Adam7 as the PNG specification lists them, each row unfiltered."""
    starts = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    passes = [image[row::row_step, column::column_step] for row, column, row_step, column_step in starts]
    return b"".join(b"\0" + line.tobytes() for part in passes if part.size for line in part)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_the_exif_orientation_is_applied(name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(picture(), name, exif=exif)
    turned = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    np.testing.assert_array_equal(decode_file(data), turned)
    assert decode_file(data).shape[:2] == (SIDES if orientation < 5 else SIDES[::-1])


@pytest.mark.parametrize("kind", ["baseline", "progressive", "restart markers", "no subsampling"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_half_a_jpeg_is_refused_however_it_is_closed(kind, share):
    name, options = KINDS[kind]
    data = written(picture(1, (400, 400)), name, quality=95, **options)
    cut = int(share * len(data))
    for damage in (data[:cut], data[:cut] + b"\xff\xd9", data[:cut] + bytes(400) + data[cut + 400 :],
                   data[:cut] + data[cut + 400 :]):  # fmt: skip
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(damage)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 0}, {"progressive": True}])
def test_zeros_that_decode_to_as_many_blocks_are_found(options):
    """Four hundred zeros are four blocks of this picture, so the decoder misses nothing and has nothing left."""
    image = picture(3, (200, 200))
    image[cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 90, 1, -1) == 0] = 0
    for colours in (image, image[..., 1]):
        data = written(colours, "JPEG", **options)
        assert decode_file(data).shape == (200, 200, 3)
        for cut in range(1200, len(data) - 600, 150):
            with pytest.raises(ImageFileError, match="truncated or damaged"):
                decode_file(data[:cut] + bytes(400) + data[cut + 400 :])


@pytest.mark.parametrize(
    "options", [{}, {"optimize": True}, {"progressive": True}, {"progressive": True, "quality": 98}]
)
def test_a_black_surround_is_no_damage(options):
    image = np.zeros((800, 800, 3), np.uint8)
    image[350:450, 350:450] = picture(4, (100, 100))
    for colours in (image, image[..., 1], np.zeros((800, 800), np.uint8), np.full((800, 800), 128, np.uint8)):
        assert decode_file(written(colours, "JPEG", **options)).shape == (800, 800, 3)


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    data = written(picture(), "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    for place in scans[1:]:
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(data[:place] + b"\xff\xd9")


@pytest.mark.parametrize("kind", ["PNG", "plain TIFF", "LZW TIFF", "deflate TIFF", "BMP", "WebP"])
def test_half_a_file_of_another_kind_is_refused(kind):
    name, options = KINDS[kind]
    data = written(picture(), name, **options)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(data[: int(share * len(data))])


@pytest.mark.parametrize("wide", [False, True])
def test_a_jpeg_without_quantisation_is_refused(wide):
    data = written(picture(), "JPEG")
    place = data.index(b"\xff\xdb")
    steps = bytes([1] * 63 + [0])
    table = b"\x10" + b"".join(bytes([0, step]) for step in steps) if wide else b"\0" + steps
    segment = b"\xff\xdb" + struct.pack(">H", 2 + len(table)) + table
    with pytest.raises(ImageFileError, match="quantisation is zero or cut"):
        decode_file(data[:place] + segment + data[place:])


def webps(image):
    """Write all kinds of WebP."""
    for options in ({"quality": 1}, {"quality": 80, "method": 6}, {"quality": 100}, {"lossless": True}):
        yield written(image, "WEBP", **options)
    yield cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes()


def test_a_whole_webp_is_accepted_however_little_its_end_holds():
    surround = picture()
    surround[48:] = 0
    flat = np.full((300, 400, 3), 255, np.uint8)
    for image in (picture(), picture(1, (9, 300)), surround, flat, flat[:8, :8]):
        for data in webps(image):
            assert decode_file(data).shape == image.shape


def test_a_webp_with_zeros_in_its_middle_is_refused():
    image, size = picture(0, (300, 400)), 400
    for data in list(webps(image))[1:]:
        for place in range(len(data) // 4, len(data) - 1000, len(data) // 7):
            with pytest.raises(ImageFileError, match="truncated or damaged"):
                decode_file(data[:place] + bytes(size) + data[place + size :])


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_half_a_webp_whose_lengths_are_mended_is_refused(share):
    for data in webps(picture()):
        content = data[20 : 20 + int(share * (len(data) - 20)) // 2 * 2]
        chunk = data[12:16] + struct.pack("<I", len(content)) + content
        with pytest.raises(ImageFileError, match="truncated or damaged"):
            decode_file(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk)


@pytest.mark.parametrize("width, height", [(120, 140), (120, 60), (160, 96), (60, 96), (240, 192)])
def test_a_jpeg_header_that_lies_is_refused(width, height):
    with pytest.raises(ImageFileError, match="truncated or damaged"):
        decode_file(with_frame_size(written(picture(), "JPEG"), width, height))


@pytest.mark.parametrize("width, height", [(120, 97), (120, 95), (121, 96), (119, 96), (96, 120)])
def test_a_png_header_that_lies_is_refused(width, height):
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    np.testing.assert_array_equal(decode_file(png_of(120, 96, raw)), picture())
    with pytest.raises(ImageFileError, match="than its header announces"):
        decode_file(png_of(width, height, raw))


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


@pytest.mark.parametrize("rows_per_strip, height", [(0, 96), (1, 2**16 - 1), (16, 0)])
def test_impossible_strips_of_a_tiff_are_refused(rows_per_strip, height):
    data = written(picture(), "TIFF", compression="tiff_lzw", tiffinfo={278: 16})
    with pytest.raises(ImageFileError):
        decode_file(with_tiff_tag(with_tiff_tag(data, 278, rows_per_strip), 257, height))


COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits")


def with_tiff_tag(data, tag, value):
    """Change the value of a tag that holds one number."""
    data = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        if struct.unpack_from("<H", data, place)[0] == tag:
            struct.pack_into("<H", data, place + 8, value)
    return bytes(data)


@pytest.mark.parametrize("compression", [None, *COMPRESSIONS])
@pytest.mark.parametrize(
    "tag, value", [*((256, n) for n in (60, 118, 122, 300)), *((257, n) for n in (60, 95, 97, 200))]
)
@pytest.mark.parametrize("rows_per_strip", [16, 1000])
def test_a_tiff_header_that_lies_is_refused(tag, value, compression, rows_per_strip):
    options = {"compression": compression, "tiffinfo": {278: rows_per_strip}}
    data = written(picture(), "TIFF", **options)
    np.testing.assert_array_equal(decode_file(data), picture())
    data = with_tiff_tag(data, tag, value)
    with pytest.raises(ImageFileError, match="truncated or damaged"):
        decode_file(data)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
@pytest.mark.parametrize("size", [(9, 11), (120, 96), (700, 300)])
def test_a_whole_tiff_is_counted_right_whatever_it_holds(compression, mode, size):
    """The LZW table is filled, cleared and left half full: noise, a ramp and one colour."""
    for kind in (picture, lambda *_: np.full((96, 120, 3), 7, np.uint8)):
        image = Image.fromarray(kind()).resize(size).convert(mode)
        for info in (
            ({}, {278: 16}, {317: 2}) if compression != "packbits" and mode != "1" else ({}, {278: 16})
        ):
            buffer = io.BytesIO()
            image.save(buffer, "TIFF", compression=compression, tiffinfo=info)
            np.testing.assert_array_equal(decode_file(buffer.getvalue()), np.array(image.convert("RGB")))


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


@pytest.mark.parametrize("tag", [256, 258, 262, 273, 279])
def test_a_tiff_tag_without_a_value_is_damage(tag):
    data = bytearray(written(picture(), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    places = [start + 2 + 12 * number for number in range(entries)]
    place = next(place for place in places if struct.unpack_from("<H", data, place) == (tag,))
    struct.pack_into("<I", data, place + 4, 0)
    with pytest.raises(ImageFileError):
        decode_file(bytes(data))


def test_a_damaged_png_is_refused_by_its_checksums():
    data = written(picture(), "PNG")
    cut = len(data) // 2
    with pytest.raises(ImageFileError, match="checksum"):
        decode_file(data[:cut] + bytes(40) + data[cut + 40 :])
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    packed = bytearray(zlib.compress(raw))
    packed[-1] ^= 1
    with pytest.raises(ImageFileError, match="inflated"):
        decode_file(data[:33] + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_several_pictures_in_one_file_are_refused(name):
    buffer = io.BytesIO()
    frames = [Image.fromarray(picture(seed)) for seed in range(3)]
    frames[0].save(buffer, name, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageFileError, match="several pictures in one file"):
        decode_file(buffer.getvalue())


def multi_picture(kind):
    """Write a JPEG with another one after it, of this type in the MPEntry of its index."""
    first, second = written(picture(0), "JPEG"), written(picture(1), "JPEG")
    entry = struct.pack("<IIIHH", 0x20030000, len(first), 0, 0, 0) + struct.pack(
        "<IIIHH", kind, len(second), 8, 0, 0
    )
    index = struct.pack(
        "<4sIHHHI4sHHIII", b"II*\0", 8, 2, 0xB001, 4, 1, b"\2\0\0\0", 0xB002, 7, len(entry), 38, 0
    )
    content = b"MPF\0" + index + entry
    return first[:2] + b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content + first[2:] + second


def test_a_preview_after_a_picture_is_no_second_picture():
    assert Image.open(io.BytesIO(multi_picture(0x010001))).n_frames == 2
    np.testing.assert_array_equal(
        decode_file(multi_picture(0x010001)), decode_file(written(picture(0), "JPEG"))
    )
    for panorama in (0x020001, 0x020002, 0x020003):
        with pytest.raises(ImageFileError, match="several pictures in one file"):
            decode_file(multi_picture(panorama))


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


def test_text_that_inflates_to_much_never_reaches_a_decoder(monkeypatch):
    raw = b"".join(b"\0" + row.tobytes() for row in picture())
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**26)))
    given_on, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: given_on.append(data) or decode(data, flags))
    np.testing.assert_array_equal(decode_file(png_of(120, 96, raw, more=bomb)), picture())
    assert b"zTXt" not in given_on[0].tobytes()


def test_a_tag_directory_that_names_more_than_there_is_is_refused():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for number in range(20):
        tags[50000 + number] = b"x" * 5000
        tags.tagtype[50000 + number] = 7
    data = bytearray(written(picture(), "TIFF", tiffinfo=tags))
    decode_file(bytes(data))
    (start,) = struct.unpack_from("<I", data, 4)
    number = struct.unpack_from("<H", data, start)[0]
    for place in range(start + 2, start + 2 + 12 * number, 12):
        if struct.unpack_from("<H", data, place)[0] >= 50000:
            struct.pack_into("<II", data, place + 4, len(data) // 3, 8)
    with pytest.raises(ImageFileError, match="more bytes than the file has"):
        decode_file(bytes(data))


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
