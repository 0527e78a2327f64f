"""What schemathesis sends as a photograph: whole ones, damaged ones and noise, so that bodies reach the model.

Loaded by its command line (SCHEMATHESIS_HOOKS).
"""

import io

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

from tests.app.conftest import draw, encode


def photographs(suffix):
    """Draw synthetic eyes of any size; most pass the quality gate."""
    return st.builds(
        lambda seed, size: encode(draw(seed, size), suffix),
        st.integers(0, 30),
        st.sampled_from([48, 96, 200]),
    )


def grey(seed):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def dicom(seed):
    from tests.data.dicom_files import dicom

    image = draw(seed, 64)
    return (
        dicom(image, "RGB")
        if seed % 2
        else dicom(image[..., 1], "MONOCHROME2", WindowCenter=90, WindowWidth=150)
    )


def damaged(contents):
    """Cut, zero or change a part."""
    return st.builds(
        lambda data, share, part: (
            data[: int(share * len(data))] + part + data[int(share * len(data)) + len(part) :]
        ),
        contents,
        st.floats(0, 1),
        st.sampled_from([b"", bytes(400), b"\xff\xd9", b"\xff" * 9]),
    )


for kind, whole in (
    ("image/png", photographs(".png") | st.builds(grey, st.integers(0, 9))),
    ("image/jpeg", photographs(".jpg")),
    ("application/dicom", st.builds(dicom, st.integers(0, 9))),
):
    schemathesis.openapi.media_type(kind, whole | whole | damaged(whole) | st.binary(max_size=200))
