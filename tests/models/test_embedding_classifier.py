"""Pipelines of resampling and learner: resampled inside the fold, the same as imbalanced-learn by hand."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from drcls.data.holdout_guard import row_fingerprints
from drcls.models.embedding_classifier import (
    LEARNERS,
    RESAMPLERS,
    WITHOUT_CLASS_WEIGHTS,
    build_embedding_classifier,
    check_training_rows,
    choose_hyperparameters,
)


def blobs(counts=(60, 30, 20), features=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = rng.normal(size=(len(labels), features)) + 2 * np.eye(len(counts), features)[labels]
    return rows.astype("float32"), labels


ROWS, LABELS = blobs()


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("resampling", ["class_weights", "SMOTE"])
def test_every_learner_gives_probabilities_better_than_chance(learner, resampling):
    if resampling == "class_weights" and learner in WITHOUT_CLASS_WEIGHTS:
        with pytest.raises(ValueError, match=f"{learner} knows no class weights"):
            build_embedding_classifier(learner, resampling, 0)
        return
    classifier = build_embedding_classifier(learner, resampling, 0).fit(ROWS, LABELS)
    rows, labels = blobs(seed=1)
    probabilities = classifier.predict_proba(rows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.6


@pytest.mark.parametrize("resampling", RESAMPLERS)
def test_every_resampling_works_and_repeats_with_its_seed(resampling):
    first, second, other = (
        build_embedding_classifier("logistic_regression", resampling, seed).fit(ROWS, LABELS)
        for seed in (0, 0, 1)
    )
    rows, _ = blobs(seed=1)
    np.testing.assert_array_equal(first.predict_proba(rows), second.predict_proba(rows))
    draws = resampling not in ("none", "class_weights")
    assert draws == bool(np.any(first.predict_proba(rows) != other.predict_proba(rows)))


def test_the_same_as_imbalanced_learn_step_by_step():
    classifier = build_embedding_classifier("logistic_regression", "SMOTE", 3, 4, hyperparameters={"C": 0.1})
    rows, _ = blobs(seed=1)
    received = classifier.fit(ROWS, LABELS).predict_proba(rows)
    scaler = StandardScaler().fit(ROWS)
    reducer = PCA(4, random_state=3).fit(scaler.transform(ROWS))
    resampled = SMOTE(random_state=3).fit_resample(reducer.transform(scaler.transform(ROWS)), LABELS)
    learner = LogisticRegression(C=0.1, max_iter=2000, random_state=3).fit(*resampled)
    expected = learner.predict_proba(reducer.transform(scaler.transform(rows)))
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_test_rows_are_predicted_but_never_fitted_on():
    rows, labels = blobs(seed=1)
    classifier = build_embedding_classifier("k-NN", "SMOTE", 0, holdout=row_fingerprints(rows))
    assert classifier.fit(ROWS, LABELS).predict_proba(rows).shape == (110, 3)
    together = np.concatenate([ROWS, rows]), np.concatenate([LABELS, labels])
    with pytest.raises(ValueError, match="110 of the 220 rows to fit on are held-out"):
        classifier.fit(*together)
    with pytest.raises(ValueError, match="are held-out"):
        choose_hyperparameters(classifier, "k-NN", *together, np.arange(220), seed=0)


@pytest.mark.parametrize("learner", ["logistic_regression", "SVM"])
def test_hyperparameters_are_chosen_within_the_grid_and_fit_the_learner(learner):
    classifier = build_embedding_classifier(learner, "SMOTE", 0)
    chosen = choose_hyperparameters(classifier, learner, ROWS, LABELS, np.arange(110) // 2, seed=0)
    assert chosen["C"] in LEARNERS[learner][1]["C"]
    build_embedding_classifier(learner, "SMOTE", 0, hyperparameters=chosen).fit(ROWS, LABELS)


@pytest.mark.parametrize(
    ("counts", "resampling", "message"),
    [
        ((60, 5, 20), "SMOTE", r"SMOTE needs 6 or more training images of every class; received {'b': 5}"),
        ((60, 5, 20), "ADASYN", r"received {'b': 5}"),
        ((60, 0, 0), "none", r"two or more classes.*\[60, 0, 0\]"),
        ((60, 5, 0), "none", r"received {'c': 0}"),
    ],
)
def test_too_few_images_are_named(counts, resampling, message):
    rows, labels = blobs(counts)
    with pytest.raises(ValueError, match=message):
        check_training_rows(rows, labels, list("abc"), resampling)


def test_five_images_are_enough_without_neighbours():
    check_training_rows(*blobs((60, 5, 20)), list("abc"), "random_oversampling")


def test_embeddings_that_are_no_numbers_are_refused():
    broken = ROWS.copy()
    broken[7, 2] = np.nan
    with pytest.raises(ValueError, match="1 embeddings are not finite, the first in row 7"):
        check_training_rows(broken, LABELS, list("abc"), "none")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="received 'oracle' and 'SMOTE'"):
        build_embedding_classifier("oracle", "SMOTE", 0)


def chosen_on(counts, learner="logistic_regression", resampling="SMOTE", num_components=None, group_size=1):
    rows, labels = blobs(counts)
    classifier = build_embedding_classifier(learner, resampling, 0, num_components)
    groups = np.arange(len(rows)) // group_size
    return choose_hyperparameters(
        classifier, learner, rows, labels, groups, 0, class_names=list("abc"[: len(counts)])
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("resampling", ["SMOTE", "BorderlineSMOTE", "ADASYN", "SMOTE-ENN"])
def test_a_fold_must_have_the_neighbours_that_resampling_needs(resampling):
    """Seven rows of a class pass the check of the whole; two thirds of them, in a fold, are too few."""
    check_training_rows(*blobs((30, 7, 20)), list("abc"), resampling)
    with pytest.raises(ValueError, match=r"fold 0 of the cross-validation.*{'b': [45]}; 6 or more rows"):
        chosen_on((30, 7, 20), resampling=resampling)


def test_nine_rows_of_a_class_are_enough_for_three_folds():
    assert chosen_on((30, 9, 20))["C"] in LEARNERS["logistic_regression"][1]["C"]


@pytest.mark.filterwarnings("error")
def test_a_fold_must_have_every_class():
    with pytest.raises(ValueError, match=r"is fitted on {'b': 0}; 1 or more"):
        chosen_on((30, 1, 20), resampling="none")


def test_a_fold_must_have_rows_for_the_principal_components():
    with pytest.raises(ValueError, match=r"fitted on \d rows of 8 features, too few for 9 principal comp"):
        chosen_on((5, 4, 4), resampling="none", num_components=9)
    assert chosen_on((5, 4, 4), resampling="none", num_components=8)


def test_numbers_of_neighbours_that_a_fold_has_no_rows_for_are_not_tried():
    assert chosen_on((20, 15, 10), "k-NN", "none")["n_neighbors"] in (5, 15)
    with pytest.raises(ValueError, match=r"is fitted on 4 rows; 5 or more expected for the nearest neigh"):
        chosen_on((3, 3), "k-NN", "none")
    with pytest.raises(ValueError, match="3 or more rows of a class; the largest has 2"):
        chosen_on((2, 2, 2), "k-NN", "none")


def test_fewer_groups_than_folds_are_named():
    with pytest.raises(ValueError, match="3 folds needs 3 or more groups.*received 2"):
        chosen_on((10, 10, 10), resampling="none", group_size=15)
