"""How much of the test part the network has already seen."""

import numpy as np

from drcls.data.duplicates import near_identical_pairs, turned_pairs


def audit_leakage(train, test):
    """Return the share of test images with an identical or near-identical image in the training part.

    Args:
        train: `Manifest` of the training part.
        test: `Manifest` of the test part; a row that stands twice counts twice, as it does in the accuracy.

    Returns:
        dict of shares in 0..1: `overall` (identical or near-identical), `identical` (same SHA-256),
        `near_identical` (a similar perceptual hash but no identical file), `turned` (neither of these, but
        turned or mirrored), `group` (any of these, or of a group that training holds too, for example another image
        of the same patient), `per_class` (like `overall`,
        by class name; None for a class absent from test), with `num_test` and `num_leaked`.

    Raises:
        ValueError: where the test part is empty.
    """
    if len(test) == 0:
        raise ValueError(f"{test.root}: the test part is empty, there is nothing to audit")
    identical, alike = _identical_and_alike(train, test)
    hashes, seen = test.frame["phash"].tolist(), train.frame["phash"].unique().tolist()
    turned = np.zeros(len(test), dtype=bool)
    turned[turned_pairs(hashes, seen)[0][:, 0]] = True
    grouped = test.frame["group"].isin(set(train.frame["group"])).to_numpy()
    leaked = identical | alike
    labels = test.labels
    return {
        "overall": float(leaked.mean()),
        "identical": float(identical.mean()),
        "near_identical": float((alike & ~identical).mean()),
        "turned": float((turned & ~leaked).mean()),
        "group": float((grouped | leaked | turned).mean()),
        "per_class": {
            name: float(leaked[labels == i].mean()) if np.any(labels == i) else None
            for i, name in enumerate(test.classes)
        },
        "num_test": len(test),
        "num_leaked": int(leaked.sum()),
    }


def describe_leakage(leakage):
    """Say which share of the test images leaked, as copies and by their group.

    Args:
        leakage: dict, from `audit_leakage`.

    Example:
        >>> describe_leakage({"overall": 0.0, "group": 1.0})
        '0.0% of the test images have a copy in training, 100.0% a copy or another image of their group'
    """
    return (
        f"{leakage['overall']:.1%} of the test images have a copy in training, {leakage['group']:.1%} a copy or "
        "another image of their group"
    )


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
