"""A trained row on another data set: what is refused, and the control beside it."""

import keras
import numpy as np
import pytest

from drcls.data import ImageCache, load_manifest
from drcls.runs import save_model
from experiments.multiscale_attention.external import measure_elsewhere, positive_control, referred_auroc
from tests.small_data import write_squares

CONFIG = {"image_size": 16, "batch_size": 4, "seed": 0}


@pytest.fixture
def manifest(tmp_path):
    return write_squares(tmp_path / "trained_on", per_class=4)


def test_the_images_trained_on_are_no_other_data_set(manifest, tmp_path):
    write_squares(tmp_path / "again", per_class=4)
    with pytest.raises(SystemExit, match="--external again holds 12 of the images"):
        measure_elsewhere(tmp_path / "row", load_manifest(tmp_path / "again"), manifest, CONFIG)


def test_other_grades_elsewhere_are_refused(manifest, tmp_path):
    write_squares(tmp_path / "others", per_class=4, seed=1)
    renamed = manifest.merge_classes(manifest.classes[:2], "one")
    with pytest.raises(SystemExit, match="--external others has the classes"):
        measure_elsewhere(tmp_path / "row", load_manifest(tmp_path / "others"), renamed, CONFIG)


def test_a_row_is_not_reported_on_other_images_of_the_same_name(manifest, tmp_path):
    row = tmp_path / "row"
    network = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    save_model(network, row / "model.keras")
    other = write_squares(tmp_path / "others", per_class=4, seed=1)
    measure_elsewhere(row, other, manifest, CONFIG)
    measure_elsewhere(row, other, manifest, CONFIG)
    with pytest.raises(ValueError, match="external-others was tested on other images"):
        measure_elsewhere(
            row, write_squares(tmp_path / "again" / "others", per_class=4, seed=2), manifest, CONFIG
        )


def test_the_control_finds_the_grades_where_the_images_show_them(tmp_path):
    manifest = write_squares(tmp_path / "squares", per_class=10)
    control = positive_control(manifest, ImageCache(manifest, 32), seed=0)
    assert control["metrics"]["accuracy"] > 0.85 and control["referred_auroc"] > 0.95


def test_the_control_finds_nothing_where_the_labels_are_shuffled(tmp_path):
    manifest = write_squares(tmp_path / "squares", per_class=20)
    labels = np.random.default_rng(0).permutation(manifest.frame["label"])
    shuffled = manifest.select(range(len(manifest)))
    shuffled.frame["label"] = labels
    control = positive_control(shuffled, ImageCache(manifest, 32), seed=0)
    assert control["metrics"]["accuracy"] < 0.6


def test_without_images_to_learn_from_there_is_no_control(manifest):
    first_of_a_class = int(np.flatnonzero(manifest.labels == 0)[0])
    few = manifest.select([first_of_a_class, *np.flatnonzero(manifest.labels > 0)])
    assert positive_control(few, ImageCache(manifest, 16), seed=0) is None


def test_the_area_of_referred_grades_by_hand(manifest):
    referred = manifest.labels >= 2
    probabilities = np.zeros((len(manifest), 3))
    probabilities[:, 2] = np.where(referred, 0.6, 0.1)
    assert referred_auroc(manifest, probabilities) == 1
    worst = int(np.flatnonzero(referred)[0])
    probabilities[worst, 2] = 0.0
    # One of four referred images ranks below all eight others.
    assert referred_auroc(manifest, probabilities) == pytest.approx(3 / 4)
    assert referred_auroc(manifest.select(np.flatnonzero(referred)), probabilities[referred]) is None
