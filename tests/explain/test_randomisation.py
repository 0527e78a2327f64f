"""The sanity check: what depends on the weights passes, what looks at the image alone fails."""

import cv2
import numpy as np

from drcls.explain import grad_cam, randomisation_check
from drcls.explain.randomisation import shuffled_copy


def edges(model, images, class_index):
    """An "explanation" that never looks at the model."""
    grey = images.astype("float32").mean(axis=-1)
    return np.stack([np.abs(cv2.Laplacian(image, cv2.CV_32F)) for image in grey])


def test_an_edge_detector_fails(trained, images):
    result = randomisation_check(trained, images, edges)
    assert result["correlation"] == 1 and not result["passed"]
    assert len(result["per_image"]) == len(images)


def test_grad_cam_passes_and_leaves_the_model_alone(trained, images):
    before = trained.get_weights()
    result = randomisation_check(trained, images, grad_cam, seed=1)
    assert result["passed"], result
    assert result == randomisation_check(trained, images, grad_cam, seed=1)
    for old, new in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_shuffling_keeps_every_value_and_follows_the_seed(trained):
    first, second, other = (shuffled_copy(trained, seed).get_weights() for seed in (0, 0, 1))
    for original, a, b in zip(trained.get_weights(), first, second, strict=True):
        np.testing.assert_array_equal(np.sort(a.ravel()), np.sort(original.ravel()))
        np.testing.assert_array_equal(a, b)
    assert any(np.any(a != c) for a, c in zip(first, other, strict=True))


def test_blank_maps_prove_nothing(trained, images):
    def blank(model, images, class_index):
        return np.zeros(images.shape[:3], "float32")

    result = randomisation_check(trained, images, blank)
    assert result["correlation"] is None and result["passed"] is None
    assert result["blank_before"] == result["blank_after"] == len(images)

    def blank_for_the_first(model, images, class_index):
        maps = edges(model, images, class_index)
        maps[0] = 1
        return maps

    result = randomisation_check(trained, images, blank_for_the_first)
    assert result["blank_before"] == 1 and len(result["per_image"]) == len(images) - 1
    assert result["correlation"] == 1 and not result["passed"]
