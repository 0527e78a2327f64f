"""Controls that learn nothing about images: predictions by hand, and the leak they measure."""

from types import SimpleNamespace

import numpy as np
import pytest

from drcls.data import leaked_images, split
from drcls.data.manifest import Manifest
from drcls.files import read_json
from experiments.common.controls import control, run_controls
from experiments.common.run import audit, identity, prior_corrected, seen_and_unseen
from tests.small_data import write_squares


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares") / "data", per_class=20)


def parts_of(squares, train, test):
    return {"train": squares.select(np.array(train)), "test": squares.select(np.array(test))}


def test_the_majority_is_that_of_files_and_oversampled_copies_do_not_count(squares):
    first = [int(np.flatnonzero(squares.labels == label)[0]) for label in range(len(squares.classes))]
    second = int(np.flatnonzero(squares.labels == 1)[1])
    parts = parts_of(squares, [*first, second, *[first[0]] * 9], first)
    probabilities, note = control("majority", parts)
    assert probabilities.argmax(axis=1).tolist() == [1] * len(first)
    assert squares.classes[1] in note


def test_the_dictionary_knows_files_of_training_and_says_the_largest_class_otherwise(squares):
    known, largest = int(np.flatnonzero(squares.labels == 0)[0]), np.flatnonzero(squares.labels == 1)
    unseen = int(np.flatnonzero(squares.labels == 0)[1])
    parts = parts_of(squares, [known, *largest[:3]], [known, unseen, largest[0]])
    probabilities, note = control("file_hash_dictionary", parts)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 1]
    assert note.startswith("2 of 3 test files are in the training part")


def test_a_control_records_what_it_depends_on_and_nothing_of_a_training(squares, tmp_path):
    parts = split(squares, (0.6, 0.2, 0.2), 0, "grouped")
    options = SimpleNamespace(data="squares", profile="quick", seed=3, epochs=9)
    row = identity(options, "clean") | {"fractions": [0.6, 0.2, 0.2]}
    run_controls(["tiny", "majority"], row, parts, audit(parts, "clean"), tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["majority"]
    assert read_json(tmp_path / "majority" / "config.json") == {
        "variant": "majority",
        "data": "squares",
        "protocol": "clean",
        "profile": "quick",
        "seed": 3,
        "fractions": [0.6, 0.2, 0.2],
        "phantom": True,
    }
    assert read_json(tmp_path / "majority" / "metrics.json")["note"].startswith("every image is called")


def test_on_leaked_images_without_conflicting_labels_the_dictionary_is_always_right(squares):
    parts = split(squares, (0.6, 0.2, 0.2), 0, "oversample_first")
    probabilities, _ = control("file_hash_dictionary", parts)
    right = probabilities.argmax(axis=1) == parts["test"].labels
    copies = parts["test"].frame["sha256"].isin(set(parts["train"].frame["sha256"])).to_numpy()
    assert right[copies].all()


def test_accuracies_on_leaked_and_unseen_images_add_up(squares):
    parts = split(squares, (0.6, 0.2, 0.2), 0, "oversample_first")
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(squares.classes)), len(parts["test"]))
    leaked = leaked_images(parts["train"], parts["test"])
    apart = seen_and_unseen(parts["test"], probabilities, leaked)
    assert (apart["leaked"]["images"], apart["unseen"]["images"]) == (leaked.sum(), (~leaked).sum())
    right = sum(one["images"] * one["accuracy"] for one in apart.values() if one["images"])
    assert right == pytest.approx((probabilities.argmax(axis=1) == parts["test"].labels).sum())


def test_a_prior_moves_a_close_decision_to_the_frequent_class_and_back(squares):
    classes = len(squares.classes)
    rows = [
        int(row) for label in range(classes) for row in np.flatnonzero(squares.labels == label)[: 1 + label]
    ]
    parts = parts_of(squares, rows, [rows[0]])
    close = np.full((1, classes), 1 / classes)
    measured = prior_corrected(parts, close)
    assert measured["times_prior"]["accuracy"] == 0 and measured["over_prior"]["accuracy"] == 1
    assert isinstance(parts["train"], Manifest)
