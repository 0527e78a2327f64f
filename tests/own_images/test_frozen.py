"""Heads on embeddings: SMOTE on the training part alone, and logistic regression as one dense layer."""

import shutil

import numpy as np
import pandas as pd
import pytest

from drcls.data import Features, load_manifest
from drcls.models import build_embedding_classifier
from drcls.own_images import train_classifier
from drcls.own_images.frozen import as_dense_layer, fit_logistic_regression, smote


def table_of(manifest, num_features=5, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(len(manifest), num_features)).astype("float32")
    return Features(features, manifest.frame["path"])


def test_smote_adds_rows_between_rows_of_its_class(squares):
    manifest = load_manifest(squares)
    labels = manifest.labels
    part = manifest.select(
        np.concatenate(
            [np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:9], np.flatnonzero(labels == 2)[:7]]
        )
    )
    table = table_of(manifest)
    made, grown = smote(table, part, seed=1)
    assert grown.counts().tolist() == [24, 24, 24]
    np.testing.assert_array_equal(made.images[made.rows(part)], table.images[table.rows(part)])
    mine = made.images[made.rows(grown)][grown.labels == 2]
    real = table.images[table.rows(part)][part.labels == 2]
    assert (mine.min(axis=0) >= real.min(axis=0)).all() and (mine.max(axis=0) <= real.max(axis=0)).all()
    assert not np.isnan(mine).any()


def test_smote_refuses_a_class_without_neighbours(squares):
    manifest = load_manifest(squares)
    part = manifest.select(np.concatenate([np.arange(30), np.flatnonzero(manifest.labels == 1)[:3]]))
    part = part.select(np.flatnonzero((part.labels != 2) | (np.arange(len(part)) < 9)))
    with pytest.raises(
        ValueError, match="SMOTE needs 6 or more training images of every class; received {'blue': 3}"
    ):
        smote(table_of(manifest), part, seed=0)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_dense_layer_predicts_what_the_pipeline_does(num_classes):
    rng = np.random.default_rng(2)
    labels = np.arange(80) % num_classes
    features = (rng.normal(size=(80, 6)) * [1, 5, 0.1, 3, 1, 1] + labels[:, None]).astype("float32")
    classifier = build_embedding_classifier("logistic_regression", "SMOTE", seed=0).fit(features, labels)
    head = as_dense_layer(classifier, [f"c{i}" for i in range(num_classes)])
    np.testing.assert_allclose(
        head.predict(features, verbose=0), classifier.predict_proba(features), atol=1e-5
    )


@pytest.fixture(scope="module")
def copies(squares, tmp_path_factory):
    """The squares, each image twice; the source has the first of a pair in training, a copy perhaps elsewhere."""
    folder = tmp_path_factory.mktemp("copies") / "data"
    shutil.copytree(squares, folder)
    frame = load_manifest(squares).frame
    for path in frame["path"]:
        shutil.copy(folder / path, folder / path.replace("images/", "images/copy-"))
    copied = frame.assign(path=frame["path"].str.replace("images/", "images/copy-"))
    copied["source_split"] = np.array(["train", "validation", "test"])[np.arange(len(copied)) // 3 % 3]
    frame = pd.concat([frame.assign(source_split="train"), copied])
    frame.to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.mark.parametrize("protocol", ["random", "as-given"])
@pytest.mark.parametrize("sampler", ["none", "smote"])
def test_copies_that_a_protocol_lets_leak_are_trained_on(copies, backbone, tmp_path, protocol, sampler):
    metrics = train_classifier(
        copies,
        tmp_path / "run",
        backbone,
        frozen=True,
        head="logistic_regression",
        protocol=protocol,
        sampler=sampler,
    )
    assert metrics["leakage"]["overall"] > 0 and metrics["metrics"]["accuracy"] > 0


def test_under_the_clean_protocol_no_test_row_is_fitted_on(squares):
    manifest = load_manifest(squares)
    parts = {"train": manifest, "test": manifest.select([3])}
    with pytest.raises(ValueError, match=r"1 of the \d+ rows to fit on are held-out test rows"):
        fit_logistic_regression(table_of(manifest), parts, "none", "cross_entropy", 0, "clean")
