"""The quality gate: measures by hand, and what passes."""

import cv2
import numpy as np
import pytest

from drcls.app.quality import LIMITS, assess, is_gradable, measure
from tests.app.conftest import draw

RED = (150, 75, 50)


def disc(side=200, centre=None, radius=80, colour=RED):
    image = np.zeros((side, side, 3), np.uint8)
    return cv2.circle(image, centre or (side // 2, side // 2), radius, colour, -1)


def failed(image):
    return {criterion["name"] for criterion in assess(image) if not criterion["passed"]}


def test_a_plain_disc_by_hand():
    values = measure(disc())
    assert values["field"] == pytest.approx(np.pi * 80**2 / 200**2, rel=0.05)
    assert values["roundness"] == pytest.approx(1, abs=0.03)
    assert values["red_over_green"] == pytest.approx(2, rel=0.01)
    assert values["green_over_blue"] == pytest.approx(1.5, rel=0.01)
    assert values["brightness"] == pytest.approx(np.mean(RED), rel=0.05)
    assert values["detail"] == pytest.approx(0, abs=0.01)


def test_a_square_and_a_half_disc_are_cut_off():
    square = np.full((200, 200, 3), RED, np.uint8)
    assert measure(square)["roundness"] == pytest.approx(2 / np.pi, abs=0.02)
    half = disc()
    half[:100] = 0
    assert measure(half)["roundness"] == pytest.approx(0.5, abs=0.04)
    assert "roundness" in failed(square) and "roundness" in failed(half)


@pytest.mark.parametrize("size, seed", [(64, 1), (64, 2), (64, 3), (160, 4), (160, 5), (200, 6), (500, 7)])
def test_synthetic_photographs_pass_at_any_resolution(size, seed):
    assert is_gradable(assess(draw(seed, size)))


@pytest.mark.parametrize(
    "spoil, criterion",
    [
        (lambda image: np.zeros_like(image), "field"),
        (lambda image: (image * 0.3).astype(np.uint8), "brightness"),
        (lambda image: np.clip(image.astype(int) * 4, 0, 255).astype(np.uint8), "brightness"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 10), "detail"),
        (lambda image: image[:, 110:], "roundness"),
        (lambda image: np.repeat(image.mean(axis=2, keepdims=True), 3, 2).astype(np.uint8), "red_over_green"),
        (lambda image: image[..., ::-1], "green_over_blue"),
    ],
)
def test_a_spoiled_photograph_fails_for_its_reason(spoil, criterion):
    image = draw(2, 256)
    assert criterion not in failed(image)
    assert criterion in failed(np.ascontiguousarray(spoil(image)))


def test_every_criterion_tells_its_limits():
    for criterion in assess(disc()):
        failure, unit, lowest, highest = LIMITS[criterion["name"]]
        assert (criterion["failure"], criterion["unit"]) == (failure, unit)
        assert (criterion["lowest"], criterion["highest"]) == (lowest, highest)


@pytest.mark.parametrize(
    "archive", ["brain_tumor_mri_224.zip", "pbc_bloodcells_96.zip", "chula_rbc_smears.zip"]
)
def test_other_medical_images_are_no_fundus(sources, archive):
    import zipfile

    with zipfile.ZipFile(sources(archive)) as source:
        names = sorted(name for name in source.namelist() if name.lower().endswith((".png", ".jpg", ".jpeg")))
        for name in names[:: max(1, len(names) // 25)]:
            image = cv2.imdecode(np.frombuffer(source.read(name), np.uint8), cv2.IMREAD_COLOR_RGB)
            assert not is_gradable(assess(image)), name


def test_a_black_eye_in_a_bright_rim_is_too_dark():
    """What is dark inside the field counts: a bright rim alone is no bright photograph."""
    image, side = np.zeros((256, 256, 3), np.uint8), np.arange(256) - 127.5
    radius = np.hypot(*np.meshgrid(side, side))
    image[radius < 100] = 2
    image[(radius >= 100) & (radius < 112)] = (180, 90, 40)
    values = measure(image)
    disc = radius < 112
    assert values["field"] == pytest.approx(disc.mean(), abs=0.02)
    assert values["brightness"] == pytest.approx(image[disc].mean(), abs=3)
    assert values["brightness"] < LIMITS["brightness"][2]
