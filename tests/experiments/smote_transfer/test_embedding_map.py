"""The map of training rows holds real and synthetic rows, the synthetic ones of the small classes alone."""

import numpy as np
import pandas as pd

from experiments.smote_transfer.embedding_map import smote_map


def test_real_and_synthetic_rows_are_laid_out():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [40, 10])
    features = rng.normal(size=(50, 8)).astype("float32") + labels[:, None]
    frame = smote_map(features, labels, ["many", "few"], 4, seed=0)
    assert frame["kind"].value_counts().to_dict() == {"real": 50, "synthetic": 30}
    assert set(frame.loc[frame["kind"] == "synthetic", "label"]) == {"few"}
    assert frame[["x", "y"]].notna().all(axis=None)
    pd.testing.assert_frame_equal(frame, smote_map(features, labels, ["many", "few"], 4, seed=0))


def test_large_sets_are_thinned(monkeypatch):
    monkeypatch.setattr("experiments.smote_transfer.embedding_map.MOST_ROWS", 20)
    labels = np.repeat([0, 1], [40, 10])
    features = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
    assert len(smote_map(features, labels, ["many", "few"], 4, seed=0)) == 40
