"""Images of another hospital, which has none of one class."""

import json
import math

import keras
import numpy as np
import pytest

from drcls.cli.evaluate import describe
from drcls.data import load_manifest
from drcls.layers import ClassProbabilities
from drcls.own_images import evaluate_classifier, train_classifier
from drcls.own_images.evaluation import check_fit
from drcls.own_images.measuring import measure_classifier
from drcls.own_images.page import write_evaluation_page
from tests.data.tables import table


@pytest.fixture
def without_blue(squares, tmp_path):
    folder = tmp_path / "hospital"
    folder.mkdir()
    (folder / "images").symlink_to(squares / "images")
    frame = load_manifest(squares).frame
    frame[frame["label"] != "blue"].to_csv(folder / "manifest.csv", index=False)
    (folder / "dataset.json").write_text((squares / "dataset.json").read_text())
    return folder


def numbers(value):
    """Every float in a result."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


def test_what_does_not_exist_of_an_absent_class_is_none(run, without_blue, tmp_path):
    result = evaluate_classifier(run, without_blue, part="all", folder=tmp_path / "measured")
    blue = result["metrics"]["per_class"]["blue"]
    assert blue["recall"] is None and blue["auroc"] is None and result["num_test"] == 48
    assert all(map(math.isfinite, numbers(result)))
    json.loads((tmp_path / "measured" / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert "blue" in describe(result) and "nan" not in describe(result).lower()
    write_evaluation_page(tmp_path / "measured", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "blue" in page and ">nan" not in page.lower()


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("ordered", [False, True])
def test_images_of_one_class_alone_are_measured(classes, ordered):
    manifest = table(dict.fromkeys(classes, 0) | {"a": 8})
    manifest.info["ordered"] = ordered
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(classes)), 8)
    measured = measure_classifier(manifest, probabilities, (manifest, probabilities))
    json.dumps(measured, allow_nan=False)
    assert measured["metrics"]["per_class"]["b"]["recall"] is None


def test_such_images_cannot_be_trained_with(without_blue, backbone, tmp_path):
    with pytest.raises(ValueError, match="hospital has no image of blue"):
        train_classifier(without_blue, tmp_path / "run", backbone, epochs=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("names", "remedy"), [(["b", "a"], True), (["a", "b", "c"], True), (["x", "y"], False)]
)
def test_classes_of_another_order_or_fewer_are_refused_with_a_remedy(names, remedy):
    manifest = table({"a": 1, "b": 1})
    scores = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(len(names))]
    model = keras.Sequential([*scores, ClassProbabilities(names)])
    with pytest.raises(ValueError, match="tells .* classes apart") as error:
        check_fit(model, "model.keras", manifest, {})
    assert (f"--classes {','.join(names)} --force" in str(error.value)) is remedy
