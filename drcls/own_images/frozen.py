"""Heads on the embeddings of a frozen backbone: dense layers, or logistic regression as one dense layer."""

from dataclasses import replace

import keras
import numpy as np
import pandas as pd

from drcls.data import Features
from drcls.data.holdout_guard import row_fingerprints
from drcls.layers import ClassProbabilities
from drcls.models import RESAMPLERS, build_embedding_classifier, choose_hyperparameters
from drcls.models.embedding_classifier import check_training_rows


def check_rows_of_smote(part):
    """Refuse a training part with a class of fewer images than SMOTE needs, before anything is computed of it.

    Raises:
        ValueError: where there is one.
    """
    check_training_rows(np.zeros((len(part), 1)), part.labels, part.classes, "SMOTE")


def smote(table, part, seed):
    """Make new embeddings of the smaller classes between neighbours of one class, of the training part alone.

    Args:
        table: `Features` of the data set.
        part: `Manifest` of the training part.
        seed: int.

    Returns:
        (table, part) in which all classes of the training part are equally large; the new rows are called
        `smote-0`, `smote-1` and so on and are groups of their own.

    Raises:
        ValueError: where a class has fewer than six training images.
    """
    features, labels = table.images[table.rows(part)], part.labels
    check_training_rows(features, labels, part.classes, "SMOTE")
    sampler = RESAMPLERS["SMOTE"].set_params(random_state=seed)
    made, made_labels = (values[len(part) :] for values in sampler.fit_resample(features, labels))
    names = [f"smote-{number}" for number in range(len(made))]
    labels = np.array(part.classes)[made_labels]
    rows = pd.DataFrame({"path": names, "label": labels, "group": names, "sha256": names, "phash": ""})
    rows = rows.assign(width=0, height=0, source_split="")
    frame = pd.concat([part.frame, rows], ignore_index=True)
    paths = pd.concat([table.paths, rows["path"]], ignore_index=True)
    return Features(np.concatenate([table.images, made]), paths), replace(part, frame=frame)


def fit_logistic_regression(table, parts, sampler, loss, seed, protocol):
    """Fit a logistic regression on standardised embeddings, its strength chosen by cross-validation in training.

    Args:
        table: `Features` of the data set.
        parts: dict of `Manifest`, `train` and `test` among them; `train` already resampled by `over` or `under`.
        sampler: str; `smote` resamples inside each fold that is fitted on.
        loss: `cross_entropy` or `weighted`.
        seed: int.
        protocol: str; under `clean` a test row among those to fit on is an error.

    Returns:
        keras.Model from float32 (N, D) to probabilities (N, C), which holds the regression as one dense layer;
        dict of the hyperparameters chosen.

    Raises:
        ValueError: under `clean`, where the test part shares an embedding with the training part.
    """
    train = parts["train"]
    features, labels = table.images[table.rows(train)], train.labels
    resampling = "SMOTE" if sampler == "smote" else "class_weights" if loss == "weighted" else "none"
    check_training_rows(features, labels, train.classes, resampling)
    # Identical files have identical embeddings: only a clean test part can be kept from `fit`.
    test = table.images[table.rows(parts["test"])]
    holdout = row_fingerprints(test) if protocol == "clean" else frozenset()
    classifier = build_embedding_classifier("logistic_regression", resampling, seed, holdout=holdout)
    groups = train.frame["group"].to_numpy()
    chosen = choose_hyperparameters(
        classifier, "logistic_regression", features, labels, groups, seed, class_names=train.classes
    )
    classifier.set_params(**{f"learn__{name}": value for name, value in chosen.items()}).fit(features, labels)
    return as_dense_layer(classifier, train.classes), chosen


def as_dense_layer(classifier, class_names):
    """Write a fitted scaler and logistic regression as one dense layer, so that it is saved and exported as one.

    Args:
        classifier: fitted pipeline with the steps `scale` and `learn`.
        class_names: list of str.

    Returns:
        keras.Model from float32 (N, D) to probabilities (N, C).
    """
    scaler, regression = classifier["scale"], classifier["learn"]
    weights, bias = regression.coef_, regression.intercept_
    if len(class_names) == 2:
        # scikit-learn keeps one score s of the second class; softmax of (-s / 2, s / 2) is its sigmoid.
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    kernel = (weights / scaler.scale_).T  # (D, C)
    bias = bias - scaler.mean_ @ kernel
    pooled = keras.Input((len(kernel),), name="pooled")
    scores = keras.layers.Dense(len(class_names), name="scores")
    probabilities = ClassProbabilities(class_names, explain_layer="features", name="probabilities")
    head = keras.Model(pooled, probabilities(scores(pooled)), name="logistic_regression")
    scores.set_weights([kernel, bias])
    return head
