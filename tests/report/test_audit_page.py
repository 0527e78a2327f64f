"""drcls.report.audit_page: one file, every pair with both its images, names escaped, contradictions marked."""

import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest

from drcls.data.audit import audit
from drcls.data.duplicates import perceptual_hash
from drcls.data.manifest import COLUMNS, Manifest
from drcls.report.audit_page import write_audit_page


@pytest.fixture
def manifest(tmp_path):
    """Return four images: two of one file under two labels, one mirrored copy, one of its own."""
    rng = np.random.default_rng(0)
    one, other = (cv2.resize(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8), (64, 64)) for _ in range(2))
    rows = []
    for name, label, image in [
        ("a", "<i>ill</i>", one),
        ("b", "well", one),
        ("c&d", "well", one[:, ::-1]),
        ("e", "well", other),
    ]:
        data = cv2.imencode(".png", image)[1].tobytes()
        (tmp_path / f"{name}.png").write_bytes(data)
        digest = perceptual_hash(np.ascontiguousarray(image[..., ::-1]))
        rows.append([f"{name}.png", label, name, hashlib.sha256(data).hexdigest(), digest, 64, 64, ""])
    info = {"classes": ["<i>ill</i>", "well"], "title": "Eyes", "phantom": True}
    return Manifest(tmp_path, pd.DataFrame(rows, columns=COLUMNS), info)


def test_page_shows_both_images_of_every_pair(manifest, tmp_path):
    path = write_audit_page(audit(manifest), tmp_path / "out" / "audit.html", manifest)
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4
    assert "Audit of Eyes" in page and "mirrored left to right" in page and "Synthetic" in page
    # The identical files contradict each other, and so does the first of them and its mirrored copy.
    assert page.count("<strong>Conflicting labels.") == page.count('class="conflict"') == 2
    assert "<i>" not in page and "&lt;i&gt;ill" in page and "c&amp;d.png" in page
    assert "http" not in page and "<script" not in page


def test_page_of_two_data_sets_shows_the_pairs_between_them(manifest, tmp_path):
    page = write_audit_page(
        audit(manifest, manifest), tmp_path / "audit.html", manifest, manifest
    ).read_text()
    assert "identical, in Eyes" in page and page.count("data:image/jpeg;base64,") > 4


def test_missing_image_is_named(manifest, tmp_path):
    result = audit(manifest)
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match="a.png"):
        write_audit_page(result, tmp_path / "audit.html", manifest)
