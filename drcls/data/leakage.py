"""How much of the test part the network has already seen."""

import numpy as np

from drcls.data.duplicates import near_identical_pairs


def audit_leakage(train, test):
    """Return the share of test images with an identical or near-identical image in the training part.

    Args:
        train: `Manifest` of the training part.
        test: `Manifest` of the test part; a row that stands twice counts twice, as it does in the accuracy.

    Returns:
        dict of shares in 0..1: `overall` (identical or near-identical), `identical` (same SHA-256),
        `near_identical` (a similar perceptual hash but no identical file), `group` (leaked or of a group
        that training holds too, for example another image of the same patient), `per_class` (like `overall`,
        by class name; None for a class absent from test), with `num_test` and `num_leaked`.

    Raises:
        ValueError: where the test part is empty.
    """
    if len(test) == 0:
        raise ValueError(f"{test.root}: the test part is empty, there is nothing to audit")
    identical, alike = _identical_and_alike(train, test)
    grouped = test.frame["group"].isin(set(train.frame["group"])).to_numpy()
    leaked = identical | alike
    labels = test.labels
    return {
        "overall": float(leaked.mean()),
        "identical": float(identical.mean()),
        "near_identical": float((alike & ~identical).mean()),
        "group": float((grouped | leaked).mean()),
        "per_class": {
            name: float(leaked[labels == i].mean()) if np.any(labels == i) else None
            for i, name in enumerate(test.classes)
        },
        "num_test": len(test),
        "num_leaked": int(leaked.sum()),
    }


def leaked_images(train, test):
    """Tell which test images have an identical or near-identical image in the training part.

    Args:
        train, test: `Manifest` of the two parts.

    Returns:
        bool (len(test),), in the order of the test part. `audit_leakage` reports their share as `overall`.
    """
    identical, alike = _identical_and_alike(train, test)
    return identical | alike


def _identical_and_alike(train, test):
    identical = test.frame["sha256"].isin(set(train.frame["sha256"])).to_numpy()
    alike = np.zeros(len(test), dtype=bool)
    pairs = near_identical_pairs(test.frame["phash"].tolist(), train.frame["phash"].unique().tolist())
    alike[pairs[:, 0]] = True
    return identical, alike
