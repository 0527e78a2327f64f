"""A prepared folder of coloured squares, a feature extractor of a few weights, and one run on them."""

import pytest

from drcls.own_images import train_classifier
from tests.small_data import save_tiny_backbone, write_squares


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares") / "data"
    write_squares(folder, per_class=24)
    return folder


@pytest.fixture(scope="session")
def backbone(tmp_path_factory):
    return save_tiny_backbone(tmp_path_factory.mktemp("backbone") / "tiny.keras")


@pytest.fixture(scope="session")
def run(squares, backbone, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    train_classifier(squares, folder, backbone, epochs=6, learning_rate=0.02, batch_size=8)
    return folder
