"""What is taken for a photograph, and what is left of it."""

import contextlib
import io
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drcls.app import image_decoding
from drcls.app.image_decoding import (
    PixelBudget,
    RefusedImageError,
    encode_png,
    opened_image,
    read_image,
    view,
)
from drcls.data.image_ops import decode_image
from tests.app.conftest import PREPARATION, draw, encode
from tests.data_prep.imitations import bad_files


def test_pixels_come_through_unchanged():
    image = draw(3, 64)
    assert np.array_equal(read_image(encode(image)), image)
    jpeg = encode(image, ".jpg")
    assert np.array_equal(read_image(jpeg), decode_image(jpeg))
    assert np.array_equal(decode_image(encode_png(image)), image)


def test_exif_turns_the_picture_and_is_dropped():
    image = draw(3, 64)[:, :40]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Patient Nobody"
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", exif=exif)
    turned = read_image(buffer.getvalue())
    assert np.array_equal(turned, np.rot90(image, -1))
    stored = encode_png(turned)
    assert b"Nobody" in buffer.getvalue() and b"Nobody" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()


@pytest.mark.parametrize("name, content", [(name, data) for name, (data, _) in bad_files().items()])
def test_bad_files(name, content):
    if name in ("jpeg_inside.png", "png_inside.jpg"):  # the content counts, not the name
        assert read_image(content).shape[-1] == 3
        return
    with pytest.raises(RefusedImageError):
        read_image(content)


@settings(max_examples=40)
@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(data):
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\0" * 128 + b"DICM"):
        with pytest.raises(RefusedImageError):
            read_image(start + data)


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
        assert read_image(bytes(content)).dtype == np.uint8


def test_photographs_wait_while_others_hold_the_pixels(monkeypatch):
    content, opened = encode(draw(3, 64)), threading.Event()
    monkeypatch.setattr(image_decoding, "_budget", PixelBudget(64 * 64 + 1))

    def open_another():
        with opened_image(content):
            opened.set()

    another = threading.Thread(target=open_another)
    with pytest.raises(KeyError), opened_image(content) as image:
        assert image.shape == (64, 64, 3)
        another.start()
        assert not opened.wait(0.3)
        raise KeyError("a request that fails gives its pixels back too")
    assert opened.wait(10)
    another.join()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_half_a_photograph_is_refused_however_it_is_closed(share):
    content = encode(draw(3, 200), ".jpg")
    cut = int(share * len(content))
    for half in (
        content[:cut],
        content[:cut] + b"\xff\xd9",
        content[:cut] + bytes(400) + content[cut + 400 :],
    ):
        with pytest.raises(RefusedImageError, match="truncated or damaged"):
            read_image(half)
    assert read_image(content + b"bytes after the end").shape == (200, 200, 3)


def test_limits(monkeypatch):
    content = encode(draw(3, 64))
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(RefusedImageError, match="64 x 64 pixels, at most 4095"):
        read_image(content)
    monkeypatch.setattr(image_decoding, "MAX_BYTES", len(content) - 1)
    with pytest.raises(RefusedImageError, match="bytes; at most"):
        read_image(content)


def test_the_view_is_cropped_as_the_network_sees_it():
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:200, 50:250] = (90, 60, 30)
    shown = view(image, PREPARATION)
    assert shown.shape == (512, 512, 3)
    assert (shown == (90, 60, 30)).all()
