"""data_prep.phantoms.clouds: the nodes are what was drawn, and between them nothing jumps."""

import numpy as np

from data_prep.phantoms.clouds import clouds


def test_the_nodes_are_standard_normal_draws_of_the_generator():
    drawn = np.random.default_rng(3).standard_normal((4, 4)).astype(np.float32)
    image = clouds(12, 4, np.random.default_rng(3))
    assert image.shape == (12, 12) and image.dtype == np.float32
    # Each node lies in the middle of 3 x 3 pixels.
    np.testing.assert_allclose(image[1::3, 1::3], drawn, atol=1e-6)
    np.testing.assert_array_equal(clouds(4, 4, np.random.default_rng(3)), drawn)


def test_neighbours_differ_little_and_spread_is_less_between_nodes():
    images = np.stack([clouds(120, 8, np.random.default_rng(seed)) for seed in range(200)])
    assert np.abs(np.diff(images, axis=1)).max() < 0.15 * np.ptp(images)
    nodes, between = images[:, 7::15, 7::15], images[:, 15:-15:15, 15:-15:15]
    assert abs(nodes.std() - 1) < 0.03 and between.std() < 0.85
