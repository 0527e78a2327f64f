"""Classical learners on embeddings, with resampling inside the training fold.

Every classifier is an imbalanced-learn pipeline of guard, scaler, principal components, resampler and learner:
what is resampled or normalised is the part that is fitted on, never the one that is predicted.

Paper: Alam et al., "Enhancing Transfer Learning for Medical Image Classification with SMOTE". Its abstract names
SMOTE with classical learners on the features of five backbones, and not which learners; these are chosen.
"""

import warnings

import numpy as np
from imblearn.combine import SMOTEENN
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from scipy.special import softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from drcls.data.holdout_guard import HoldoutGuard

NUM_NEIGHBOURS = 5


class SoftmaxSVC(SVC):
    """An SVM whose probabilities are the softmax of its decision values: they rank classes as it does.

    Calibration (Platt's sigmoid) would need rows of its own. Taken from resampled rows they are copies or
    neighbours of those fitted on, and the sigmoid becomes a step; taken from rows as they were, they undo what
    resampling did.
    """

    def predict_proba(self, X):
        """Return float64 (N, C)."""
        values = self.decision_function(X)
        return softmax(np.stack([-values, values], axis=1) / 2 if values.ndim == 1 else values, axis=1)


# Resampling by name; `class_weights` resamples nothing and weights the learner's loss instead.
RESAMPLERS = {
    "none": None,
    "class_weights": None,
    "random_oversampling": RandomOverSampler(),
    "SMOTE": SMOTE(k_neighbors=NUM_NEIGHBOURS),
    "BorderlineSMOTE": BorderlineSMOTE(k_neighbors=NUM_NEIGHBOURS),
    "ADASYN": ADASYN(n_neighbors=NUM_NEIGHBOURS),
    "SMOTE-ENN": SMOTEENN(smote=SMOTE(k_neighbors=NUM_NEIGHBOURS)),
}
# Learner by name, with the few hyperparameters that cross-validation chooses among.
LEARNERS = {
    "logistic_regression": (LogisticRegression(max_iter=2000), {"C": [0.001, 0.01, 0.1]}),
    "SVM": (SoftmaxSVC(), {"C": [1.0, 4.0, 16.0]}),
    "k-NN": (KNeighborsClassifier(weights="distance"), {"n_neighbors": [5, 15, 45]}),
    "random_forest": (RandomForestClassifier(200, n_jobs=-1), {"min_samples_leaf": [1, 5]}),
    "gradient_boosting": (
        HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15),
        {"learning_rate": [0.1, 0.3]},
    ),
    "extra_trees": (ExtraTreesClassifier(200, n_jobs=-1), {"min_samples_leaf": [1, 5]}),
    "neural_head": (
        MLPClassifier((256,), tol=1e-3, n_iter_no_change=5),
        {"alpha": [1e-4, 1.0]},
    ),
}
WITHOUT_CLASS_WEIGHTS = ("k-NN", "neural_head")
# Soft voting averages the probabilities of these.
VOTERS = ("logistic_regression", "SVM", "random_forest", "extra_trees")


def build_embedding_classifier(
    learner, resampling, seed, num_components=None, holdout=frozenset(), hyperparameters=None
):
    """Build an unfitted pipeline.

    Args:
        learner: str, a key of `LEARNERS`.
        resampling: str, a key of `RESAMPLERS`.
        seed: int, of resampler and learner.
        num_components: int, principal components kept after scaling; None: all features.
        holdout: rows that must never be fitted on, from `drcls.data.holdout_guard.row_fingerprints`.
        hyperparameters: dict of the learner's arguments, for example what `choose_hyperparameters` returned.

    Returns:
        imblearn `Pipeline` with `fit(X, y)` and `predict_proba(X)` for float32 (N, D).

    Raises:
        ValueError: on unknown names, or class weights for a learner that knows none.
    """
    if learner not in LEARNERS or resampling not in RESAMPLERS:
        raise ValueError(
            f"expected a learner of {list(LEARNERS)} and a resampling of {list(RESAMPLERS)}; "
            f"received {learner!r} and {resampling!r}"
        )
    weighted = resampling == "class_weights"
    if weighted and learner in WITHOUT_CLASS_WEIGHTS:
        raise ValueError(f"{learner} knows no class weights")
    estimator = _seeded(LEARNERS[learner][0], seed).set_params(**(hyperparameters or {}))
    if weighted:
        estimator.set_params(class_weight="balanced")
    sampler = RESAMPLERS[resampling]
    steps = [
        ("guard", HoldoutGuard(holdout)),
        ("scale", StandardScaler()),
        ("reduce", PCA(num_components, random_state=seed) if num_components else None),
        ("resample", _seeded(sampler, seed) if sampler else None),
        ("learn", estimator),
    ]
    return Pipeline([(name, step) for name, step in steps if step is not None])


def choose_hyperparameters(
    classifier, learner, features, labels, groups, seed, num_folds=3, class_names=None
):
    """Choose a learner's hyperparameters by macro F1 in a cross-validation that tears no group apart.

    Numbers of neighbours that a fold has no rows for are not tried.

    Args:
        classifier: pipeline from `build_embedding_classifier`; resampling happens inside each training fold.
        learner: str, its learner.
        features: float32 (N, D), training rows alone.
        labels: int (N,).
        groups: (N,) ids of what must not be torn apart.
        seed: int, of the folds.
        num_folds: int.
        class_names: list of str, for messages; None: classes are named by their numbers.

    Returns:
        dict from the learner's argument to the value chosen.

    Raises:
        ValueError: where what is left to fit on in a fold is too little for the resampling, the principal
            components or every number of neighbours, or lacks a class.
    """
    if (num_groups := len(np.unique(groups))) < num_folds:
        raise ValueError(
            f"a cross-validation of {num_folds} folds needs {num_folds} or more groups (patients, or images that "
            f"are not near-identical); received {num_groups}"
        )
    if (largest := np.bincount(labels).max()) < num_folds:
        raise ValueError(
            f"a cross-validation of {num_folds} folds needs {num_folds} or more rows of a class; the largest has "
            f"{largest}"
        )
    splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn warns of a class with fewer rows than folds; `_check_folds` counts what each fold has.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(splitter.split(features, labels, groups))
    _check_folds(classifier, [rows for rows, _ in folds], features, labels, class_names)
    grid = {f"learn__{name}": values for name, values in LEARNERS[learner][1].items()}
    if "learn__n_neighbors" in grid:
        grid["learn__n_neighbors"] = _possible_neighbours(grid["learn__n_neighbors"], folds)
    search = GridSearchCV(classifier, grid, scoring="f1_macro", cv=folds, refit=False, error_score="raise")
    search.fit(features, labels)
    return {name.removeprefix("learn__"): value for name, value in search.best_params_.items()}


def check_training_rows(features, labels, class_names, resampling):
    """Refuse rows that no classifier, or not this resampling, can be fitted on.

    Raises:
        ValueError: on NaN or infinity, fewer than two classes, or a class with too few images to have
            neighbours of its own.
    """
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise ValueError(f"{len(rows)} embeddings are not finite, the first in row {rows[0]}")
    counts = np.bincount(labels, minlength=len(class_names))
    if (counts > 0).sum() < 2:
        raise ValueError(f"two or more classes are needed to learn from; received {counts.tolist()}")
    needed = _rows_needed(RESAMPLERS[resampling])
    small = {name: int(count) for name, count in zip(class_names, counts, strict=True) if count < needed}
    if small:
        raise ValueError(
            f"{resampling} needs {needed} or more training images of every class; received {small}"
        )


def _check_folds(classifier, folds, features, labels, class_names):
    """Refuse folds, a list of rows to fit on each, that the steps of a pipeline cannot be fitted on."""
    needed = _rows_needed(classifier.named_steps.get("resample"))
    components = getattr(classifier.named_steps.get("reduce"), "n_components", 0)
    names = class_names or [str(number) for number in range(labels.max() + 1)]
    for number, rows in enumerate(folds):
        counts = np.bincount(labels[rows], minlength=len(names))
        small = {name: int(count) for name, count in zip(names, counts, strict=True) if count < needed}
        where = f"fold {number} of the cross-validation that chooses hyperparameters"
        if small:
            raise ValueError(
                f"{where} is fitted on {small}; {needed} or more rows of every class expected: add images of these "
                "classes, or of more groups"
            )
        if components > min(len(rows), features.shape[1]):
            raise ValueError(
                f"{where} is fitted on {len(rows)} rows of {features.shape[1]} features, too few for {components} "
                "principal components: add images, or ask for fewer components"
            )


def _possible_neighbours(numbers, folds):
    """Return the numbers of neighbours that each fold has as many rows for."""
    smallest = min(len(rows) for rows, _ in folds)
    possible = [number for number in numbers if number <= smallest]
    if not possible:
        raise ValueError(
            f"a fold of the cross-validation is fitted on {smallest} rows; {min(numbers)} or more expected for the "
            "nearest neighbours: add images"
        )
    return possible


def _rows_needed(sampler):
    """Return how many rows of a class a resampler needs, of which all but one are neighbours of that one."""
    parameters = sampler.get_params() if sampler else {}
    neighbours = [parameters.get(name, 0) for name in ("k_neighbors", "smote__k_neighbors", "n_neighbors")]
    return max(neighbours) + 1


def _seeded(estimator, seed):
    """Return a copy in which everything that draws draws from the seed, a SMOTE inside SMOTE-ENN too."""
    copy = clone(estimator)
    return copy.set_params(**{name: seed for name in copy.get_params() if name.endswith("random_state")})
