"""data_prep.cell_scores: by hand, on a drawn smear."""

import cv2
import numpy as np
import pytest

from data_prep.cell_scores import (
    agreement,
    kinds_of_extra,
    kinds_of_misses,
    labelled_share,
    labelled_smear,
    score,
)
from data_prep.smears import Smear

# Four cells alone, one across the left border, two that overlap.
CELLS = [(60, 40), (120, 40), (180, 40), (240, 40), (4, 90), (100, 120), (125, 120)]


@pytest.fixture
def smear():
    image = np.full((160, 300, 3), 220, np.uint8)
    for place in CELLS:
        cv2.circle(image, place, 16, (150, 70, 100), -1)
    centres = np.array([CELLS[0], CELLS[1], CELLS[4], CELLS[5], CELLS[6]], float)
    return labelled_smear(Smear("1", "1.jpg", centres, ["normal"] * 4 + ["codocyte"]), image)


def circles(*places):
    return np.array([(x, y, 16) for x, y in places], float).reshape(-1, 3)


def test_agreement_by_hand():
    assert agreement(6, 8, 10) == {"hits": 6, "precision": 0.75, "recall": 0.6, "f1": 0.6667}
    assert agreement(0, 0, 0) == {"hits": 0, "precision": 0, "recall": 0, "f1": 0}


def test_labelled_share_counts_patches_away_from_the_border(smear):
    # Patches: four alone, of which two are labelled, and the clump, which is.
    assert labelled_share(smear) == pytest.approx(3 / 5)


def test_scores_by_hand(smear):
    # Exact, 10 pixels beside, not there at all; the clump as one circle between; one cell without a label.
    found = circles((60, 40), (130, 40), (112, 120), (240, 40))
    result = score([(smear, found)])
    assert (result["labels"], result["circles"]) == (5, 4)
    assert result["inside"] == agreement(3, 4, 5)
    # 10 / 16 is beyond half a radius, 12 / 16 and 13 / 16 too.
    assert result["half_radius"] == agreement(1, 4, 5)
    assert result["misses"] == {"border": 1, "shared circle": 1}
    assert result["missed_types"] == {"normal": 1, "codocyte": 1}
    assert result["recall_by_type"] == {"normal": 0.75, "codocyte": 0.0}
    assert result["extra"] == {"unlabelled patch": 1}
    assert result["centre_error_pixels"]["median"] == 10
    assert result["mean_offset_radii"] == [pytest.approx((0 - 10 - 12) / 16 / 3, abs=1e-3), 0]


def test_misses_are_told_apart(smear):
    found = circles((105, 120))
    assert kinds_of_misses(smear, found, [0, 2, 3, 4]) == ["alone", "border", "shared circle", "clump"]


def test_extra_circles_are_told_apart(smear):
    found = circles((62, 40), (180, 40), (6, 140), (260, 120), (108, 138))
    kinds = ["second circle", "unlabelled patch", "unlabelled at the border", "background"]
    assert kinds_of_extra(smear, found[:4]) == kinds
    assert kinds_of_extra(smear, np.array([[136.0, 124, 6]])) == ["in a labelled clump"]
