"""DICOM: bounded, whole, and shown as pydicom's own functions say."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drcls.data import dicom as module
from drcls.data.dicom import decode_dicom, open_dicom, recorded_eye
from drcls.data.image_files import ImageFileError
from tests.data.dicom_files import dicom, in_syntax
from tests.data.photographs import draw, encode

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")


def read_image(content, max_pixels=10**6):
    return decode_dicom(open_dicom(content, 32, max_pixels))


def test_dicom_colour_is_read_as_it_is():
    image = draw(5, 64)
    assert np.array_equal(read_image(dicom(image, "RGB")), image)


def test_dicom_grey_is_stretched_and_turned_the_right_way():
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    bright = read_image(dicom(ramp, "MONOCHROME2"))
    dark = read_image(dicom(ramp, "MONOCHROME1"))
    assert bright.shape == (64, 64, 3) and (bright.min(), bright.max()) == (0, 255)
    assert np.abs(bright.astype(int) + dark - 255).max() <= 1


def test_dicom_of_another_kind_is_refused():
    content = dicom(draw(5, 64), "RGB")
    with pytest.raises(ImageFileError, match="several frames"):
        read_image(dicom(draw(5, 64), "RGB", NumberOfFrames=3))
    with pytest.raises(ImageFileError, match="7288 bytes of pixels, 12288 expected"):
        read_image(content[:-5000])
    with pytest.raises(ImageFileError, match="at most 1000"):
        read_image(content, max_pixels=1000)


@pytest.mark.parametrize(
    "colours",
    ["HSV", "ARGB", "CMYK", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "PALETTE COLOR", "MONOCHROME2"],
)
def test_colours_that_would_be_taken_for_rgb_are_refused(colours):
    with pytest.raises(ImageFileError, match=f"colours are {colours}; one of RGB, YBR_FULL"):
        read_image(dicom(draw(1), colours))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"HighBit": 15, "BitsStored": 12}, "12 bits up to bit 15"),
        ({"RescaleSlope": "nan", "RescaleIntercept": "0"}, r"RescaleSlope is \[nan\]"),
        ({"RescaleSlope": "0", "RescaleIntercept": "0"}, r"RescaleSlope is \[0.0\]"),
        ({"WindowCenter": "inf", "WindowWidth": "10"}, r"WindowCenter is \[inf\]"),
        ({"WindowCenter": ["10", "nan"], "WindowWidth": ["10", "1"]}, r"WindowCenter is \[10.0, nan\]"),
    ],
)
def test_grey_values_that_cannot_be_meant_are_refused(attributes, message):
    with pytest.raises(ImageFileError, match=message):
        read_image(dicom(draw(1)[..., 1].astype("uint16") * 8, "MONOCHROME2", **attributes))


@pytest.mark.parametrize("attributes", [{"BitsStored": 7, "HighBit": 6}, {"PixelRepresentation": 1}])
def test_colours_of_other_bits_are_refused(attributes):
    with pytest.raises(ImageFileError, match="8 without sign in colour, are expected"):
        read_image(dicom(draw(1), "RGB", **attributes))


def test_dicom_that_would_be_inflated_is_refused_before(monkeypatch):
    content = in_syntax(dicom(draw(5, 64), "RGB"), "1.2.840.10008.1.2.1.99")
    monkeypatch.setattr(zlib, "decompress", lambda *_: pytest.fail("it was inflated"))
    with pytest.raises(ImageFileError, match="Deflated"):
        read_image(content)


def test_dicom_jpeg_is_read_and_its_own_size_counts():
    image, baseline = draw(5, 64), "1.2.840.10008.1.2.4.50"
    content = in_syntax(dicom(image, "RGB"), baseline, encode(image, ".jpg"))
    assert np.abs(read_image(content).astype(int) - image).mean() < 8
    large = in_syntax(dicom(image, "RGB"), baseline, encode(draw(5, 200), ".jpg"))
    with pytest.raises(ImageFileError, match="200 x 200 pixels, at most 4096"):
        read_image(large, max_pixels=64 * 64)


def test_dicom_numbers_that_are_no_brightness_are_refused():
    grey = draw(5, 64)[..., 1]
    with pytest.raises(ImageFileError, match="PALETTE COLOR"):
        read_image(dicom(grey, "PALETTE COLOR"))
    with pytest.raises(ImageFileError, match="samples of 32 bits"):
        read_image(dicom(grey.astype(np.uint32), "MONOCHROME2"))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(128, 700), st.integers(0, 255), st.booleans()), max_size=5))
def test_a_damaged_dicom_file_is_refused_or_read(changes):
    content = bytearray(dicom(draw(5, 48)[..., 1], "MONOCHROME2"))
    for place, byte, is_added in changes:
        content[place : place + (not is_added)] = [byte]
    with contextlib.suppress(ImageFileError):
        assert read_image(bytes(content)).dtype == np.uint8


def expected(pixels, content):
    """Show grey values by pydicom's own functions alone, padding black."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    values = pydicom.pixels.apply_windowing(pydicom.pixels.apply_modality_lut(pixels, dataset), dataset)
    lowest = -(2 ** (dataset.BitsStored - 1)) if dataset.PixelRepresentation else 0
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    lowest, span = lowest * slope + intercept, (2**dataset.BitsStored - 1) * slope
    share = (values - lowest) / float(span)
    share = 1 - share if dataset.PhotometricInterpretation == "MONOCHROME1" else share
    return np.rint(255 * share)


@pytest.mark.parametrize("colours", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(
    "dtype, window, rescale",
    [
        (np.uint16, (2000, 1500), {}),
        (np.uint16, (900, 700), {"RescaleSlope": 0.5, "RescaleIntercept": -100}),
        (np.int16, (-500, 2000), {"RescaleSlope": 2, "RescaleIntercept": -1024}),
        (np.uint8, (90, 60), {"RescaleSlope": 1, "RescaleIntercept": 10}),
        (np.uint8, (30, 400), {}),
        (np.uint8, (90, 60), {"RescaleSlope": -1, "RescaleIntercept": 255}),
    ],
)
def test_grey_values_go_through_rescale_and_window_and_nothing_else(
    dtype, window, rescale, function, colours
):
    rng = np.random.default_rng(0)
    limits = (-2000, 2000) if dtype == np.int16 else (0, min(4000, np.iinfo(dtype).max))
    pixels = rng.integers(*limits, (64, 48)).astype(dtype)
    content = dicom(
        pixels, colours, WindowCenter=window[0], WindowWidth=window[1], VOILUTFunction=function, **rescale
    )
    shown = read_image(content)
    assert np.abs(shown[..., 1] - expected(pixels, content)).max() <= 1e-9
    assert (shown[..., 0] == shown[..., 2]).all()


def test_a_window_by_hand():
    """Centre 100.5 and width 101: 50 and below are black, 150 and above white, 100 is the middle."""
    pixels = np.repeat(np.array([0, 50, 75, 100, 125, 150, 250], np.uint8), 10)[None].repeat(40, 0)
    shown = read_image(dicom(pixels, "MONOCHROME2", WindowCenter=100.5, WindowWidth=101))
    assert shown[0, ::10, 0].tolist() == [0, 0, 64, 128, 191, 255, 255]


def test_a_dark_photograph_of_eight_bits_stays_dark():
    pixels = (draw(1, 96)[..., 1] // 10).astype(np.uint8)
    assert np.array_equal(read_image(dicom(pixels, "MONOCHROME2"))[..., 0], pixels)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_falling_rescale_makes_stored_zero_the_brightest_with_and_without_a_window(bits):
    largest = 2**bits - 1
    pixels = np.linspace(0, largest, 64).astype(np.uint8 if bits == 8 else np.uint16)[None].repeat(40, 0)
    falling = {"BitsStored": bits, "HighBit": bits - 1, "RescaleSlope": -1, "RescaleIntercept": largest}
    windowed = {"WindowCenter": (largest + 1) / 2, "WindowWidth": largest + 1}
    for more in ({}, windowed):
        bright = read_image(dicom(pixels, "MONOCHROME2", **falling, **more))[0, :, 0]
        dark = read_image(dicom(pixels, "MONOCHROME1", **falling, **more))[0, :, 0]
        assert (bright[0], bright[-1], dark[0], dark[-1]) == (255, 0, 0, 255)


@pytest.mark.parametrize("colours", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 1000, "WindowWidth": 500}])
def test_padding_is_black_and_no_brightness(colours, window):
    rng = np.random.default_rng(1)
    pixels = rng.integers(800, 1200, (64, 64)).astype(np.uint16)
    whole = read_image(dicom(pixels, colours, **window))
    padded = pixels.copy()
    padded[:20], padded[-20:] = 65500, 65535
    padded[20, 0], padded[40, 0] = 800, 1199  # what the stretch of the whole photograph goes by
    pixels[20, 0], pixels[40, 0] = 800, 1199
    whole = read_image(dicom(pixels, colours, **window))
    content = dicom(padded, colours, PixelPaddingValue=65500, PixelPaddingRangeLimit=65535, **window)
    shown = read_image(content)
    assert not shown[:20].any() and not shown[-20:].any()
    assert np.array_equal(shown[20:-20], whole[20:-20])


def test_lookup_tables_are_followed():
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 256
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        item = pydicom.Dataset()
        item.LUTDescriptor, item.LUTData = [256, 0, 16], [65535 - 257 * number for number in range(256)]
        item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
        if name == "ModalityLUTSequence":
            item.ModalityLUTType = "US"
        shown = read_image(dicom(pixels, "MONOCHROME2", **{name: pydicom.Sequence([item])}))
        assert np.array_equal(shown[..., 0], 255 - pixels)


def test_half_a_jpeg_inside_is_refused():
    image, baseline = draw(5, 160), "1.2.840.10008.1.2.4.50"
    jpeg = encode(image, ".jpg")
    cut = jpeg[: int(0.6 * len(jpeg))] + b"\xff\xd9"
    with pytest.raises(ImageFileError, match="truncated or damaged"):
        read_image(in_syntax(dicom(image, "RGB"), baseline, cut))
    with pytest.raises(ImageFileError, match="64 x 64 pixels, 160 x 160 announced"):
        read_image(in_syntax(dicom(image, "RGB"), baseline, encode(draw(5, 64), ".jpg")))


def test_pixels_that_are_more_or_fewer_than_announced_are_refused():
    content = dicom(draw(5, 64), "RGB")
    for rows in (32, 60, 80):
        dataset = pydicom.dcmread(io.BytesIO(content))
        dataset.Rows = rows
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        with pytest.raises(ImageFileError, match="bytes of pixels"):
            read_image(buffer.getvalue())


def with_elements(elements):
    """Write a DICOM photograph with these encoded elements before its first one."""
    content = dicom(draw(5, 64), "RGB")
    place = content.index(struct.pack("<HH", 0x0008, 0x0016))
    return content[:place] + elements + content[place:]


def test_a_file_of_very_many_pieces_is_refused_at_once():
    number = module.MAX_READS
    sequence = struct.pack("<HH2sHI", 0x0008, 0x0006, b"SQ", 0, 2**32 - 1)
    item, end = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    element = struct.pack("<HH2sH", 0x0008, 0x0008, b"CS", 0)
    inside = (
        struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
        + element * number
        + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    )
    for elements in (sequence + item * number + end, element * number, sequence + inside + end):
        with pytest.raises(ImageFileError, match="more than 20000 elements and items"):
            read_image(with_elements(elements))
    few = sequence + item * 10 + end + element * 10
    assert np.array_equal(read_image(with_elements(few)), draw(5, 64))


def test_values_that_take_long_to_take_apart_are_refused():
    grey = draw(5, 64)[..., 1]
    dataset = pydicom.dcmread(io.BytesIO(dicom(grey, "MONOCHROME2")))
    dataset.add_new("WindowCenter", "DS", ["1"] * 3000)
    dataset.WindowWidth = 10
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(ImageFileError, match="WindowCenter has 6000 bytes"):
        read_image(buffer.getvalue())
    image = draw(5, 64)
    dataset = pydicom.dcmread(
        io.BytesIO(in_syntax(dicom(image, "RGB"), "1.2.840.10008.1.2.4.50", encode(image, ".jpg")))
    )
    dataset.PixelData = pydicom.encaps.encapsulate(
        [encode(image, ".jpg") + bytes(4000)], fragments_per_frame=1500
    )
    dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with pytest.raises(ImageFileError, match="more than 1000 fragments"):
        read_image(buffer.getvalue())


@pytest.mark.parametrize(
    ("attributes", "eye"),
    [
        ({}, None),
        ({"ImageLaterality": "L"}, "left"),
        ({"Laterality": "R"}, "right"),
        ({"ImageLaterality": "L", "Laterality": "R"}, "left"),
        ({"ImageLaterality": "", "Laterality": "R"}, "right"),
        ({"ImageLaterality": "B"}, None),
    ],
)
def test_the_eye_of_the_header(attributes, eye):
    content = dicom(draw(5, 64), "RGB", **attributes)
    assert recorded_eye(content) == eye
    assert np.array_equal(read_image(content), draw(5, 64))


def jpeg_2000(pixels, colours, change=bytes, attributes=None, **options):
    """Write a DICOM file of one JPEG 2000 picture; `change` is made to the bytes of the picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", no_jp2=True, **options)
    encoded = in_syntax(dicom(pixels, colours), "1.2.840.10008.1.2.4.90", change(buffer.getvalue()))
    made = pydicom.dcmread(io.BytesIO(encoded))
    made.PhotometricInterpretation = colours
    for name, value in (attributes or {}).items():
        setattr(made, name, value)
    buffer = io.BytesIO()
    made.save_as(buffer)
    return buffer.getvalue()


def test_jpeg_2000_is_read_and_its_tiles_are_not_too_small():
    image = draw(5, 160)
    assert np.array_equal(read_image(jpeg_2000(image, "RGB", mct=0)), image)
    with pytest.raises(ImageFileError, match="tiles of 16 x 16"):
        read_image(jpeg_2000(image, "RGB", mct=0, tile_size=(16, 16)))


def test_jpeg_2000_of_other_bits_than_the_header_announces_is_refused():
    def with_sign(content):
        place = content.index(b"\xff\x51") + 40  # Ssiz of the only component
        return content[:place] + bytes([content[place] | 0x80]) + content[place + 1 :]

    grey = draw(5, 96)[..., 1]
    deep = grey.astype(np.uint16) * 257
    assert np.array_equal(read_image(jpeg_2000(grey, "MONOCHROME2"))[..., 0], grey)
    assert read_image(jpeg_2000(deep, "MONOCHROME2")).max() == 255
    twelve = {"BitsStored": 12, "HighBit": 11}
    with pytest.raises(ImageFileError, match="has 16 bits without sign; .* announces 12 bits without sign"):
        read_image(jpeg_2000(deep, "MONOCHROME2", attributes=twelve))
    with pytest.raises(ImageFileError, match="has 8 bits with sign; .* announces 8 bits without sign"):
        read_image(jpeg_2000(grey, "MONOCHROME2", change=with_sign))
    with pytest.raises(ImageFileError, match="has 8 bits without sign; .* announces 8 bits with sign"):
        read_image(jpeg_2000(grey, "MONOCHROME2", attributes={"PixelRepresentation": 1}))


@pytest.mark.parametrize("names", [("WindowCenter", "WindowWidth"), ("RescaleSlope", "RescaleIntercept")])
def test_elements_without_a_value_are_as_good_as_absent(names):
    grey = draw(5, 64)[..., 1]
    content = dicom(grey, "MONOCHROME2", **dict.fromkeys(names))
    assert all(name in pydicom.dcmread(io.BytesIO(content)) for name in names)
    assert np.array_equal(read_image(content)[..., 0], grey)
    lone = dicom(grey, "MONOCHROME2", **{names[0]: None, names[1]: 3})
    assert np.array_equal(read_image(lone)[..., 0], grey)
