"""Train, validation and test parts, as the paper made them and as they should be made."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from drcls.data.resample import oversample

PARTS = ("train", "validation", "test")
PROTOCOLS = ("paper", "clean")


def split(manifest, fractions, seed, protocol):
    """Split a data set into train, validation and test.

    - `paper`: oversample every class to the largest, *then* split at random, stratified by class. Copies of
      one image fall on both sides, so the test part measures memory. Kept because the printed numbers were
      made so (CheXNet-CBAM, section 2.3.1; its text: 9025 images into 7220, 902 and 903).
    - `clean`: drop images whose identical copies carry another label, keep one of identical images
      otherwise, then split so that no group is torn apart. Nothing is resampled here: that is for the
      caller, on the training part alone.

    Args:
        manifest: the whole data set, a `Manifest`.
        fractions: three positive shares for train, validation and test that sum to 1.
        seed: int. The same seed gives the same parts on any machine.
        protocol: `"paper"` or `"clean"`.

    Returns:
        dict from `"train"`, `"validation"`, `"test"` to a `Manifest`.

    Raises:
        ValueError: on other fractions or protocols, or where a class is too small to reach every part.
    """
    fractions = np.asarray(fractions, dtype=np.float64)
    if fractions.shape != (3,) or np.any(fractions <= 0) or not np.isclose(fractions.sum(), 1):
        raise ValueError(
            f"fractions must be three positive shares that sum to 1; received {fractions.tolist()}"
        )
    if protocol == "paper":
        parts = _split_rows(oversample(manifest, seed), fractions, seed)
    elif protocol == "clean":
        parts = _split_groups(deduplicate(manifest), fractions, seed)
    else:
        raise ValueError(f"protocol must be one of {PROTOCOLS}; received {protocol!r}")
    for name, part in parts.items():
        absent = [label for label, count in zip(part.classes, part.counts(), strict=True) if count == 0]
        if absent:
            raise ValueError(
                f"{manifest.root}: the {name} part would hold no image of {absent}; "
                f"counts of the whole: {dict(zip(manifest.classes, manifest.counts().tolist(), strict=True))}"
            )
    return parts


def deduplicate(manifest):
    """Keep one of each set of identical files, and none where their labels contradict each other.

    Args:
        manifest: a `Manifest`.

    Returns:
        A `Manifest` in the same order, without the redundant and the contradictory rows.
    """
    frame = manifest.frame
    contradictory = frame.groupby("sha256")["label"].transform("nunique") > 1
    return manifest.select(np.flatnonzero(~contradictory & ~frame.duplicated("sha256")))


def _split_rows(manifest, fractions, seed):
    """Split single rows, stratified by class and blind to copies."""
    _, validation_share, test_share = fractions
    rest_share = validation_share + test_share
    train, rest = train_test_split(
        np.arange(len(manifest)), test_size=rest_share, stratify=manifest.labels, random_state=seed
    )
    validation, test = train_test_split(
        rest, test_size=test_share / rest_share, stratify=manifest.labels[rest], random_state=seed
    )
    return {name: manifest.select(rows) for name, rows in zip(PARTS, (train, validation, test), strict=True)}


def _split_groups(manifest, fractions, seed):
    """Split whole groups, stratified by class: cut into small folds and deal them out by the fractions."""
    num_folds = 20
    groups = manifest.frame["group"].to_numpy()
    smallest = manifest.counts().min()
    if smallest < 3:
        raise ValueError(
            f"{manifest.root}: the smallest class has {smallest} images; three parts need at least 3 of each"
        )
    folds = StratifiedGroupKFold(n_splits=num_folds, shuffle=True, random_state=seed)
    fold = np.empty(len(manifest), dtype=np.int64)
    for number, (_, rows) in enumerate(folds.split(groups, manifest.labels, groups)):
        fold[rows] = number
    bounds = np.round(np.cumsum(fractions) * num_folds).astype(int)
    part = np.searchsorted(bounds, fold, side="right")
    return {name: manifest.select(np.flatnonzero(part == i)) for i, name in enumerate(PARTS)}
