"""Rows that learn nothing about images: what a reported accuracy has to be compared with.

They need no training and about a second, so every paper whose protocol leaks gets both.
"""

import numpy as np

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
