"""Train, validation and test parts, as the paper made them and as they should be made."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from drcls.data.resample import oversample

PARTS = ("train", "validation", "test")
PROTOCOLS = ("paper", "random", "clean")
MAX_FOLDS = 20


def split(manifest, fractions, seed, protocol):
    """Split a data set into train, validation and test.

    - `paper`: oversample every class to the largest, *then* split at random, stratified by class. Copies of
      one image fall on both sides, so the test part measures memory. Kept because the printed numbers were
      made so (CheXNet-CBAM, section 2.3.1; its text: 9025 images into 7220, 902 and 903).
    - `random`: split at random, stratified by class, without oversampling: what most papers do. Duplicates in
      the data fall on both sides.
    - `clean`: drop images whose identical copies carry another label, keep one of identical images
      otherwise, then split so that no group is torn apart. The parts are whole numbers of folds, at most 20,
      so the shares are met to a twentieth at best. Nothing is resampled here: that is for the caller, on the
      training part alone.

    Args:
        manifest: the whole data set, a `Manifest`.
        fractions: three positive shares for train, validation and test that sum to 1.
        seed: int. The same seed gives the same parts on any machine.
        protocol: `"paper"`, `"random"` or `"clean"`.

    Returns:
        dict from `"train"`, `"validation"`, `"test"` to a `Manifest`.

    Raises:
        ValueError: on other fractions or protocols, or where a class or share is too small for every part to
            hold every class.
    """
    fractions = np.asarray(fractions, dtype=np.float64)
    if fractions.shape != (3,) or np.any(fractions <= 0) or not np.isclose(fractions.sum(), 1):
        raise ValueError(
            f"fractions must be three positive shares that sum to 1; received {fractions.tolist()}"
        )
    if protocol == "paper":
        return _split_rows(oversample(manifest, seed), fractions, seed)
    if protocol == "random":
        return _split_rows(manifest, fractions, seed)
    if protocol == "clean":
        return _split_groups(deduplicate(manifest), fractions, seed)
    raise ValueError(f"protocol must be one of {PROTOCOLS}; received {protocol!r}")


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
    labels = manifest.labels
    try:
        train, rest = train_test_split(
            np.arange(len(manifest)), test_size=rest_share, stratify=labels, random_state=seed
        )
        validation, test = train_test_split(
            rest, test_size=test_share / rest_share, stratify=labels[rest], random_state=seed
        )
    except ValueError as error:
        raise ValueError(
            f"{manifest.root}: {len(manifest)} images of {len(manifest.classes)} classes cannot be "
            f"split into {fractions.tolist()}: {error}"
        ) from error
    return {name: manifest.select(rows) for name, rows in zip(PARTS, (train, validation, test), strict=True)}


def _split_groups(manifest, fractions, seed):
    """Split whole groups, stratified by class: cut into small folds and deal them out by the fractions.

    Small classes and large groups leave folds without a class, so several numbers of folds are tried: those
    that meet the fractions best first, more before fewer, until every part holds every class.
    """
    groups = manifest.frame["group"].to_numpy()
    labels = manifest.labels
    ends = np.cumsum(fractions)
    most = min(MAX_FOLDS, manifest.counts().min(), len(set(groups)))
    for num_folds in sorted(range(3, most + 1), key=lambda n: (_rounding(ends, n), -n)):
        folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
        fold = np.empty(len(manifest), dtype=np.int64)
        for number, (_, rows) in enumerate(folds.split(groups, labels, groups)):
            fold[rows] = number
        part = np.searchsorted(np.round(ends * num_folds), fold, side="right")
        parts = {name: manifest.select(np.flatnonzero(part == i)) for i, name in enumerate(PARTS)}
        if all(part.counts().all() for part in parts.values()):
            return parts
    groups_of = manifest.frame.groupby("label")["group"].nunique()
    sizes = [
        f"{name} {count} in {groups_of.get(name, 0)}"
        for name, count in zip(manifest.classes, manifest.counts(), strict=True)
    ]
    raise ValueError(
        f"{manifest.root}: no split of whole groups into {fractions.tolist()} gives every part an image of "
        f"every class; images in groups: {', '.join(sizes)}"
    )


def _rounding(ends, num_folds):
    """Return how far the ends of the parts, as shares, move when they are rounded to whole folds."""
    return np.abs(np.round(ends * num_folds) / num_folds - ends).max().round(6)
