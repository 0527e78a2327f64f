"""Features in the place of images: looked up by path, never by position."""

import numpy as np
import pytest

from drcls.data import Features
from tests.small_data import write_squares


def test_rows_are_found_by_path_in_the_order_of_the_part(tmp_path):
    manifest = write_squares(tmp_path, per_class=3)
    features = Features(np.arange(len(manifest))[:, np.newaxis], manifest.frame["path"])
    part = manifest.select([4, 1, 1])
    assert features.rows(part).tolist() == [4, 1, 1]


def test_an_image_that_is_not_there_is_named(tmp_path):
    manifest = write_squares(tmp_path, per_class=3)
    features = Features(np.zeros((2, 1)), manifest.frame["path"][:2])
    with pytest.raises(
        KeyError, match=f"does not hold 1 images of the part, first '{manifest.frame['path'][5]}'"
    ):
        features.rows(manifest.select([0, 5]))
