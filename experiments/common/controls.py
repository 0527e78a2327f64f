"""Rows that learn nothing about images: what a reported accuracy has to be compared with.

They need no training and about a second, so every paper whose protocol leaks gets both.
"""

from functools import partial

import numpy as np

from experiments.common.run import run_variant

MAJORITY, FILE_HASH_DICTIONARY = "majority", "file_hash_dictionary"
CONTROLS = (MAJORITY, FILE_HASH_DICTIONARY)


def control(name, parts):
    """Predict the test part by a control.

    - `majority`: every image gets the largest class of the training part.
    - `file_hash_dictionary`: a test file whose SHA-256 is in the training part gets the label found there (the
      commoner one where labels contradict each other), any other file the largest class. It measures how much of an
      accuracy the copies alone are worth: no pixel is read.

    The largest class is that of the images before oversampling, counted once a file.

    Args:
        name: one of `CONTROLS`.
        parts: dict of `Manifest`, from `split`.

    Returns:
        float32 (N, C) probabilities, each 0 or 1; str, a note on what the row is.
    """
    train, test = parts["train"], parts["test"]
    files = train.frame.drop_duplicates("sha256")
    majority = files["label"].mode().iloc[0]
    predicted = np.full(len(test), majority, dtype=object)
    note = f"every image is called {majority}, the largest class of the training files"
    if name == FILE_HASH_DICTIONARY:
        labels = train.frame.groupby("sha256")["label"].agg(lambda of_file: of_file.mode().iloc[0])
        found = test.frame["sha256"].map(labels)
        predicted = found.fillna(majority).to_numpy()
        note = f"{found.notna().sum()} of {len(test)} test files are in the training part; the others are {majority}"
    one_hot = np.array(test.classes) == predicted[:, None]
    return one_hot.astype(np.float32), note


def run_controls(names, row, parts, leakage, folder, force):
    """Measure and record the controls among the rows of one setting, each unless that is done.

    Args:
        names: list of str, rows that were asked for; only those that are controls are run here.
        row: dict, what controls depend on: `identity` of the setting, `fractions` and, where it has one, `split_seed`.
        parts: dict of `Manifest`, from `split`.
        leakage: dict, from `audit`.
        folder: Path that holds a folder for each row.
        force: bool, as for `run_variant`.
    """
    for name in (name for name in names if name in CONTROLS):
        config = row | {"variant": name}
        run_variant(folder / name, config, parts, leakage, partial(control, name, parts), force)
