"""The guard: held-out test rows that reach fit stop it, whatever stands behind it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from drcls.data.holdout_guard import HoldoutGuard, row_fingerprints

RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.normal(size=(40, 5)).astype("float32"), RNG.normal(size=(10, 5)).astype("float32")
LABELS = np.arange(40) % 2


def test_rows_pass_and_predictions_too():
    guard = HoldoutGuard(row_fingerprints(TEST)).fit(TRAIN)
    assert guard.transform(TEST) is TEST
    assert clone(guard).holdout == row_fingerprints(TEST)


def test_one_held_out_row_among_many_stops_the_fit():
    mixed = np.concatenate([TRAIN, TEST[3:4]])
    with pytest.raises(ValueError, match="1 of the 41 rows to fit on are held-out test rows"):
        HoldoutGuard(row_fingerprints(TEST)).fit(mixed)


def test_a_fold_of_a_cross_validation_is_stopped_too():
    pipeline = make_pipeline(HoldoutGuard(row_fingerprints(TRAIN[:1])), LogisticRegression())
    with pytest.raises(ValueError, match="held-out test rows"):
        cross_val_score(pipeline, TRAIN, LABELS, cv=2, error_score="raise")
    assert (pipeline.fit(TRAIN[1:], LABELS[1:]).predict(TRAIN[:1]) >= 0).all()


def test_a_strided_view_is_held_out_like_its_copy():
    assert row_fingerprints(TRAIN[::2]) == row_fingerprints(TRAIN[::2].copy())


@pytest.mark.parametrize(
    "change",
    [lambda x: x.astype("float64"), lambda x: x.tolist(), pd.DataFrame, lambda x: np.asfortranarray(x)],
)
def test_rows_are_held_out_in_every_form(change):
    with pytest.raises(ValueError, match="3 of the 40 rows"):
        HoldoutGuard(row_fingerprints(change(TRAIN[:3]))).fit(TRAIN)
    with pytest.raises(ValueError, match="3 of the 40 rows"):
        HoldoutGuard(row_fingerprints(TRAIN[:3])).fit(change(TRAIN))
    assert row_fingerprints([[0.0, 1.0]]) == row_fingerprints([[-0.0, 1.0]])
