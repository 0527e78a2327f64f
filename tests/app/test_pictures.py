"""What is taken for a photograph, and what is left of it."""

import contextlib
import io
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drcls.app import pictures
from drcls.app.pictures import PixelBudget, RefusedImageError, encode_png, opened_picture, read_picture, view
from drcls.data.image_ops import decode_image
from tests.app.conftest import PREPARATION, draw, encode
from tests.data_prep.imitations import bad_files


def test_pixels_come_through_unchanged():
    image = draw(3, 64)
    assert np.array_equal(read_picture(encode(image)), image)
    jpeg = encode(image, ".jpg")
    assert np.array_equal(read_picture(jpeg), decode_image(jpeg))
    assert np.array_equal(decode_image(encode_png(image)), image)


def test_exif_turns_the_picture_and_is_dropped():
    image = draw(3, 64)[:, :40]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Patient Nobody"
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", exif=exif)
    turned = read_picture(buffer.getvalue())
    assert np.array_equal(turned, np.rot90(image, -1))
    stored = encode_png(turned)
    assert b"Nobody" in buffer.getvalue() and b"Nobody" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()


@pytest.mark.parametrize("name, content", [(name, data) for name, (data, _) in bad_files().items()])
def test_bad_files(name, content):
    if name in ("jpeg_inside.png", "png_inside.jpg"):  # the content counts, not the name
        assert read_picture(content).shape[-1] == 3
        return
    with pytest.raises(RefusedImageError):
        read_picture(content)


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(data):
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\0" * 128 + b"DICM"):
        with pytest.raises(RefusedImageError):
            read_picture(start + data)


WHOLE = [encode(draw(4, 48), suffix) for suffix in (".png", ".jpg")]


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_photograph_is_refused_or_read(whole, changes):
    content = bytearray(whole)
    for place, byte in changes:
        content[int(place * len(content))] = byte
    with contextlib.suppress(RefusedImageError):
        assert read_picture(bytes(content)).dtype == np.uint8


def test_photographs_wait_while_others_hold_the_pixels(monkeypatch):
    content, opened = encode(draw(3, 64)), threading.Event()
    monkeypatch.setattr(pictures, "_budget", PixelBudget(64 * 64 + 1))

    def open_another():
        with opened_picture(content):
            opened.set()

    another = threading.Thread(target=open_another)
    with pytest.raises(KeyError), opened_picture(content) as image:
        assert image.shape == (64, 64, 3)
        another.start()
        assert not opened.wait(0.3)
        raise KeyError("a request that fails gives its pixels back too")
    assert opened.wait(10)
    another.join()


def test_limits(monkeypatch):
    content = encode(draw(3, 64))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(RefusedImageError, match="64 x 64 pixels; at most 4095"):
        read_picture(content)
    monkeypatch.setattr(pictures, "MAX_BYTES", len(content) - 1)
    with pytest.raises(RefusedImageError, match="bytes; at most"):
        read_picture(content)


def test_the_view_is_cropped_as_the_network_sees_it():
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200, 50:250] = (90, 60, 30)
    shown = view(image, PREPARATION)
    assert shown.shape == (512, 512, 3)
    assert (shown == (90, 60, 30)).all()


def dicom(pixels, photometric, **attributes):
    """Write a DICOM file of one picture."""
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.OphthalmicPhotography8BitImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset = pydicom.Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    dataset.PatientName = "Nobody^Nora"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = 8 * pixels.itemsize - 1, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def test_dicom_colour_is_read_as_it_is():
    image = draw(5, 64)
    assert np.array_equal(read_picture(dicom(image, "RGB")), image)


def test_dicom_grey_is_stretched_and_turned_the_right_way():
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    bright = read_picture(dicom(ramp, "MONOCHROME2"))
    dark = read_picture(dicom(ramp, "MONOCHROME1"))
    assert bright.shape == (64, 64, 3) and (bright.min(), bright.max()) == (0, 255)
    assert np.abs(bright.astype(int) + dark - 255).max() <= 1


def test_dicom_of_another_kind_is_refused(monkeypatch):
    content = dicom(draw(5, 64), "RGB")
    with pytest.raises(RefusedImageError, match="several frames"):
        read_picture(dicom(draw(5, 64), "RGB", NumberOfFrames=3))
    with pytest.raises(RefusedImageError, match="no photograph that can be read"):
        read_picture(content[:-5000])
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    with pytest.raises(RefusedImageError, match="at most 1000"):
        read_picture(content)


def in_syntax(content, syntax, pixels=None):
    """Write a DICOM file anew in another transfer syntax, with these encoded pixels."""
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.file_meta.TransferSyntaxUID = syntax
    if pixels is not None:
        dataset.PixelData = pydicom.encaps.encapsulate([pixels])
        dataset["PixelData"].is_undefined_length = True
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def test_dicom_that_would_be_inflated_is_refused_before(monkeypatch):
    content = in_syntax(dicom(draw(5, 64), "RGB"), "1.2.840.10008.1.2.1.99")
    monkeypatch.setattr(zlib, "decompress", lambda *_: pytest.fail("it was inflated"))
    with pytest.raises(RefusedImageError, match="Deflated"):
        read_picture(content)


def test_dicom_jpeg_is_read_and_its_own_size_counts(monkeypatch):
    image, baseline = draw(5, 64), "1.2.840.10008.1.2.4.50"
    content = in_syntax(dicom(image, "RGB"), baseline, encode(image, ".jpg"))
    assert np.abs(read_picture(content).astype(int) - image).mean() < 8
    large = in_syntax(dicom(image, "RGB"), baseline, encode(draw(5, 200), ".jpg"))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 64)
    with pytest.raises(RefusedImageError, match="200 x 200 pixels; at most 4096"):
        read_picture(large)


def test_dicom_numbers_that_are_no_brightness_are_refused():
    grey = draw(5, 64)[..., 1]
    with pytest.raises(RefusedImageError, match="PALETTE COLOR"):
        read_picture(dicom(grey, "PALETTE COLOR"))
    with pytest.raises(RefusedImageError, match="samples of 32 bits"):
        read_picture(dicom(grey.astype(np.uint32), "MONOCHROME2"))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(128, 700), st.integers(0, 255), st.booleans()), max_size=5))
def test_a_damaged_dicom_file_is_refused_or_read(changes):
    content = bytearray(dicom(draw(5, 48)[..., 1], "MONOCHROME2"))
    for place, byte, is_added in changes:
        content[place : place + (not is_added)] = [byte]
    with contextlib.suppress(RefusedImageError):
        assert read_picture(bytes(content)).dtype == np.uint8
