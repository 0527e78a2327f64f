"""DICOM in the application: its limits, one reading, and the eye that its header names."""

import numpy as np
import pytest

from drcls.app import image_decoding
from tests.app.conftest import draw, encode
from tests.data.dicom_files import dicom

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")


def test_dicom_has_the_limits_of_other_photographs(monkeypatch):
    content = dicom(draw(5, 64), "RGB")
    assert np.array_equal(image_decoding.read_image(content), draw(5, 64))
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 1000)
    with pytest.raises(image_decoding.RefusedImageError, match="The file is refused: .*at most 1000"):
        image_decoding.read_image(content)


def test_only_dicom_names_an_eye():
    assert image_decoding.recorded_eye(dicom(draw(5, 64), "RGB", ImageLaterality="L")) == "left"
    assert image_decoding.recorded_eye(encode(draw(5, 64))) is None


def test_a_dicom_file_is_parsed_once(monkeypatch):
    parsed, read_partial = [], pydicom.filereader.read_partial
    monkeypatch.setattr(
        "pydicom.filereader.read_partial",
        lambda *args, **kwargs: parsed.append(1) or read_partial(*args, **kwargs),
    )
    with image_decoding.opened_image(dicom(draw(5, 64), "RGB")):
        assert parsed == [1]


def test_the_eye_of_the_header_is_held_against_the_form(ben, database):
    left = dicom(draw(1, 200), "RGB", ImageLaterality="L")
    refused = ben.upload(left, eye="right")
    assert refused.status_code == 422
    assert "DICOM header says that it shows the left eye, and right was chosen" in refused.text
    assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 0
    for eye in ("unknown", "left"):
        assert ben.upload(left, eye=eye).status_code == 302
    ben.upload(dicom(draw(1, 200), "RGB"), eye="right")
    assert [row["eye"] for row in database.execute("SELECT eye FROM cases ORDER BY rowid")] == [
        "left",
        "left",
        "right",
    ]
    assert "Reference and eye hold for all files of one upload" in ben.get("/upload").text
