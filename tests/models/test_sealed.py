"""The guard: sealed test rows that reach fit stop it, whatever stands behind it."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from drcls.models.sealed import SealedRows, seal

RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.normal(size=(40, 5)).astype("float32"), RNG.normal(size=(10, 5)).astype("float32")
LABELS = np.arange(40) % 2


def test_rows_pass_and_predictions_too():
    guard = SealedRows(seal(TEST)).fit(TRAIN)
    assert guard.transform(TEST) is TEST
    assert clone(guard).sealed == seal(TEST)


def test_one_sealed_row_among_many_stops_the_fit():
    mixed = np.concatenate([TRAIN, TEST[3:4]])
    with pytest.raises(ValueError, match="1 of the 41 rows to fit on are sealed test rows"):
        SealedRows(seal(TEST)).fit(mixed)


def test_a_fold_of_a_cross_validation_is_stopped_too():
    pipeline = make_pipeline(SealedRows(seal(TRAIN[:1])), LogisticRegression())
    with pytest.raises(ValueError, match="sealed test rows"):
        cross_val_score(pipeline, TRAIN, LABELS, cv=2, error_score="raise")
    assert (pipeline.fit(TRAIN[1:], LABELS[1:]).predict(TRAIN[:1]) >= 0).all()


def test_a_strided_view_is_sealed_like_its_copy():
    assert seal(TRAIN[::2]) == seal(TRAIN[::2].copy())
