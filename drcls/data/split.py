"""Train, validation and test parts, as the paper made them and as they should be made."""

import warnings
from itertools import pairwise

import numpy as np

from drcls.data.manifest import PART_OF_SPLIT
from drcls.data.resample import oversample

# By their number.
PARTS = {2: ("train", "test"), 3: ("train", "validation", "test")}
STRATEGIES = ("oversample_first", "random", "grouped", "official", "official_validated", "official_grouped")
MAX_FOLDS = 20
ORDERS = 20_000


def split(manifest, fractions, seed, strategy):
    """Split a data set into train, validation and test, or into train and test alone.

    - `oversample_first`: oversample every class to the largest, *then* split at random, stratified by class.
      Copies of one image fall on both sides, so the test part measures memory. Kept because the reported
      numbers were made so (CheXNet-CBAM, section 2.3.1; its text: 9025 images into 7220, 902 and 903).
    - `random`: split at random, stratified by class, without oversampling: what most papers do. Duplicates in
      the data fall on both sides.
    - `grouped`: drop images whose identical copies carry another label, keep one of identical images
      otherwise, then split so that no group is torn apart. The parts are whole numbers of folds, at most 20,
      so the shares are met to a twentieth at best. Nothing is resampled here: that is for the caller, on the
      training part alone.
    - `official`: keep the test part as distributed (`source_split` in the manifest) and draw validation
      out of the official training part at random, stratified by class. Images in both parts leak.
    - `official_validated`: as `official`, with the validation part drawn by whole groups: what chooses the epoch
      then shares no patient with training. Where the groups are too few for that, it is drawn as in `official`.
    - `official_grouped`: keep the test part as distributed but for redundant and contradictory copies, take
      every group that it holds out of the official training part, and draw validation out of the rest by
      whole groups. Training pays, not the test: the test images are those of `official`, and a class of
      which most images are in both parts is still tested on.

    The `official` strategies divide the official training part in the ratio of the first two
    fractions; how large the test part is was the distributor's choice. Where the distributor made a validation part
    too, it is kept (`official_grouped`: but for groups that the test part holds) and the fractions say nothing.

    Args:
        manifest: the whole data set, a `Manifest`.
        fractions: positive shares that sum to 1: three, for train, validation and test, or two, for train and
            test where validation is left to `folds`.
        seed: int of 0 or more. The same seed gives the same parts on any machine.
        strategy: `"oversample_first"`, `"random"`, `"grouped"`, `"official"`,
            `"official_validated"` or `"official_grouped"`.

    Returns:
        dict from `"train"`, `"validation"` (with three fractions) and `"test"` to a `Manifest`.

    Raises:
        ValueError: on other fractions, seeds or strategies, where a class has no image, where a class or share is too
            small for every part to hold every class, or where an official split is asked for and an image is in none.
    """
    fractions = np.asarray(fractions, dtype=np.float64)
    _check_has_all_classes(manifest)
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {STRATEGIES}; received {strategy!r}")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number of 0 or more; received {seed!r}")
    official = strategy.startswith("official")
    names = PARTS.get(fractions.size)
    if fractions.ndim != 1 or np.any(fractions <= 0) or not np.isclose(fractions.sum(), 1) or not names:
        raise ValueError(
            f"fractions must be two or three positive shares that sum to 1; received {fractions.tolist()}"
        )
    if official and len(names) == 2:
        raise ValueError(f"the {strategy} strategy needs three fractions; received {fractions.tolist()}")
    if strategy == "oversample_first":
        parts = _split_rows(oversample(manifest, seed), fractions, seed, names)
    elif strategy == "random":
        parts = _split_rows(manifest, fractions, seed, names)
    elif strategy == "grouped":
        parts = _split_groups(deduplicate(manifest), fractions, seed, names)
    elif strategy == "official":
        parts = _split_official(manifest, _split_rows, fractions, seed)
    elif strategy == "official_validated":
        parts = _split_official(manifest, _split_groups_or_rows, fractions, seed)
    else:
        parts = _split_official(_grouped_official(manifest), _split_groups, fractions, seed)
    _check_classes(manifest, parts, f"a {strategy} split into {fractions.tolist()}")
    return parts


def _check_has_all_classes(manifest):
    """Refuse data without an image of a class: they can be measured on, and not divided."""
    lacking = [name for name, count in manifest.counts_by_class().items() if not count]
    if lacking:
        raise ValueError(
            f"{manifest.root} has no image of {', '.join(lacking)}, and every part of a split needs every class; add "
            "images, or prepare it without naming these classes. It can be evaluated as it is (drcls evaluate)"
        )


def _check_classes(manifest, parts, division):
    """Refuse parts without a class: its sensitivity would be undefined, or it would never be learnt."""
    lacking = {
        name: [label for label, count in part.counts_by_class().items() if not count]
        for name, part in parts.items()
    }
    lacking = {name: labels for name, labels in lacking.items() if labels}
    if lacking:
        counts = manifest.counts_by_class()
        raise ValueError(
            f"{manifest.root}: {division} leaves parts without a class: {lacking}; images in all: {counts}. "
            "Merge or drop the rare classes, or choose larger fractions or fewer folds"
        )


def folds(manifest, num_folds, seed, keep_groups):
    """Return the training and validation part of every fold of a cross-validation, stratified by class.

    Args:
        manifest: what is to be divided, usually the training part of a `split`.
        num_folds: int, 2 or more.
        seed: int.
        keep_groups: bool, whether no group may be torn apart, as the grouped strategy asks.

    Returns:
        list of pairs of `Manifest`; every row is in exactly one validation part, and every part holds every class.

    Raises:
        ValueError: where a class, or the number of groups, is smaller than the number of folds, or where the
            groups leave a part without a class.
    """
    from sklearn.model_selection import (  # scikit-learn takes a second, and whoever reads a manifest needs none of it
        StratifiedGroupKFold,
        StratifiedKFold,
    )

    kind = StratifiedGroupKFold if keep_groups else StratifiedKFold
    groups = manifest.frame["group"].to_numpy()
    if num_folds < 2 or manifest.counts().min() < num_folds or (keep_groups and len(set(groups)) < num_folds):
        raise ValueError(
            f"{manifest.root}: {num_folds} folds of {manifest.counts().tolist()} images in {len(set(groups))} "
            "groups; expected at least 2, and no more than a class has images or there are groups"
        )
    divide = kind(num_folds, shuffle=True, random_state=seed)
    pairs = divide.split(np.zeros(len(manifest)), manifest.labels, groups if keep_groups else None)
    pairs = [(manifest.select(train), manifest.select(validation)) for train, validation in pairs]
    for number, parts in enumerate(pairs):
        named = dict(zip(("train", "validation"), parts, strict=True))
        _check_classes(manifest, named, f"fold {number} of a cross-validation with {num_folds} folds")
    return pairs


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


def _official_parts(manifest):
    """Return the part that the distributor put every row in, str (N,) of "train", "validation" and "test"."""
    parts = manifest.source_parts
    if parts.isna().any():
        counts = manifest.frame["source_split"].value_counts().to_dict()
        raise ValueError(
            f"{manifest.root}: an official split needs a source_split among {list(PART_OF_SPLIT)} for every "
            f"image; received {counts}"
        )
    return parts.to_numpy(str)


def _grouped_official(manifest):
    """Deduplicate the official parts, then drop the images whose group a part to measure on holds."""
    # With the test part first it is the training part that loses the copies of files in both.
    rank = {"test": 0, "validation": 1, "train": 2}
    order = np.argsort([rank[part] for part in _official_parts(manifest)], kind="stable")
    kept = deduplicate(manifest.select(order))
    parts, groups = _official_parts(kept), kept.frame["group"]
    tested, validated = (groups.isin(groups[parts == name]).to_numpy() for name in ("test", "validation"))
    return kept.select(np.flatnonzero((parts == "test") | ~tested & ((parts == "validation") | ~validated)))


def _split_official(manifest, divide, fractions, seed):
    """Keep the official parts; where there is no validation part, divide training into it and the rest."""
    parts = _official_parts(manifest)
    chosen = {name: manifest.select(np.flatnonzero(parts == name)) for name in PARTS[3]}
    if not len(chosen["validation"]):
        shares = fractions[:2] / fractions[:2].sum()
        chosen |= divide(chosen["train"], shares, seed, ("train", "validation"))
    return chosen


def _split_groups_or_rows(manifest, fractions, seed, names):
    """Split whole groups where that can be, else single rows, and say so."""
    try:
        return _split_groups(manifest, fractions, seed, names)
    except ValueError:
        warnings.warn(
            f"{manifest.root}: the training part has too few groups for a validation part of whole groups: it is drawn "
            "image by image, and shares groups with training",
            stacklevel=4,
        )
        return _split_rows(manifest, fractions, seed, names)


def _split_rows(manifest, fractions, seed, names):
    """Split single rows into the named parts, one a fraction, stratified by class and blind to copies."""
    try:
        parts = stratified_split_indices(manifest.labels, fractions, seed)
    except ValueError as error:
        counts = ", ".join(f"{name} {count}" for name, count in manifest.counts_by_class().items())
        raise ValueError(
            f"{manifest.root}: {len(manifest)} images are too few for a split of single images into "
            f"{fractions.tolist()} with every class in every part; there are {counts}. Add images, leave a class out, "
            f"or split by whole groups (the clean protocol), which takes {len(fractions)} groups of each class"
        ) from error
    return {name: manifest.select(rows) for name, rows in zip(names, parts, strict=True)}


def stratified_split_indices(labels, fractions, seed):
    """Split row numbers at random, stratified by class.

    Args:
        labels: int (N,).
        fractions: shares that sum to 1, one a part.
        seed: int.

    Returns:
        list of int arrays, the row numbers of each part.

    Raises:
        ValueError: where a class is too small for its share.
    """
    from sklearn.model_selection import train_test_split

    rest, parts = np.arange(len(labels)), []
    left = [1.0, *np.cumsum(fractions[:0:-1])[::-1]]  # what is still to be dealt out before each part
    for before, after in pairwise(left):
        part, rest = train_test_split(
            rest, test_size=after / before, stratify=labels[rest], random_state=seed
        )
        parts.append(part)
    return [*parts, rest]


def _split_groups(manifest, fractions, seed, names):
    """Split whole groups into the named parts, one a fraction, stratified by class.

    They are cut into small folds, no more than the rarest class has images. Where so few miss the fractions by more
    than a twentieth, more folds are dealt out in another order, and taken if they miss the fractions less.
    """
    groups = manifest.frame["group"].to_numpy()
    found, moved = _in_order(manifest, groups, fractions, seed)
    if manifest.counts().all() and moved > 1 / MAX_FOLDS + 1e-6:
        most = min(MAX_FOLDS, manifest.counts().max(), len(set(groups)))
        dealt = _dealt(manifest.labels, groups, most, fractions, seed) if most >= len(fractions) else None
        found = min(
            (part for part in (found, dealt) if part is not None),
            key=lambda part: _missed(_counts(manifest.labels, part, len(fractions)), fractions),
            default=None,
        )
    if found is None:
        raise _no_split_of_groups(manifest, fractions)
    _warn_of_other_shares(manifest, np.bincount(found), fractions)
    return {name: manifest.select(np.flatnonzero(found == i)) for i, name in enumerate(names)}


def _in_order(manifest, groups, fractions, seed):
    """Cut the groups into folds and give these to the parts one after another.

    Small classes and large groups leave folds without a class, so several numbers of folds are tried: those
    that meet the fractions best first, more before fewer, until every part holds every class. Last come numbers
    so small that the fractions leave a part without a fold: every part is given one there. A share that is none of
    `MAX_FOLDS` folds is refused instead.

    Returns:
        the part of every row, int (N,), or None where no number of folds gives every part every class; and how far
        the end of a part was moved to the end of a fold, as a share of all, inf for None.
    """
    ends = np.cumsum(fractions)
    most = min(MAX_FOLDS, manifest.counts().min(), len(set(groups)))
    rounded = {n: np.round(ends * n) for n in range(len(fractions), most + 1)}
    full = {n for n, last in rounded.items() if _has_all_parts(last)}
    tried = rounded if _has_all_parts(np.round(ends * MAX_FOLDS)) else full
    for num_folds in sorted(tried, key=lambda n: (n not in full, _rounding(ends, n), -n)):
        last = _with_a_fold_each(rounded[num_folds], num_folds)
        part = np.searchsorted(last, _folds(manifest.labels, groups, num_folds, seed), side="right")
        if np.isfinite(_missed(_counts(manifest.labels, part, len(fractions)), fractions)):
            return part, np.abs(last / num_folds - ends).max()
    return None, np.inf


def _no_split_of_groups(manifest, fractions):
    """The error that says how many groups each class has, and how many a split takes."""
    groups_of = manifest.frame.groupby("label")["group"].nunique()
    sizes = [
        f"{name} {count} in {groups_of.get(name, 0)}" for name, count in manifest.counts_by_class().items()
    ]
    return ValueError(
        f"{manifest.root}: no split of whole groups into {fractions.tolist()} gives every part an image of "
        f"every class, which takes at least {len(fractions)} groups of each, and shares of a twentieth; add images or "
        f"leave a class out. Images in groups: {', '.join(sizes)}"
    )


def _folds(labels, groups, num_folds, seed):
    """Return the fold of every row, int (N,): no group in two, every class in all as far as it goes."""
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
        for number, (_, rows) in enumerate(folds.split(groups, labels, groups)):
            fold[rows] = number
    return fold


def _counts(labels, numbers, how_many):
    """Return the images of each class that bear each number below `how_many`, int (how_many, C)."""
    num_classes = labels.max() + 1
    return np.bincount(numbers * num_classes + labels, minlength=how_many * num_classes).reshape(how_many, -1)


def _missed(counts, fractions):
    """Return how far the shares of all classes, rare and common alike, are from those that were asked for.

    Args:
        counts: (..., parts, C), images of each class in each part.
        fractions: float (parts,).

    Returns:
        float (...), the sum over parts and classes; inf where a part lacks a class.
    """
    missed = np.abs(counts / counts.sum(axis=-2, keepdims=True) - fractions[:, np.newaxis]).sum(axis=(-2, -1))
    return np.where((counts > 0).all(axis=(-2, -1)), missed, np.inf)


def _warn_of_other_shares(manifest, sizes, fractions):
    """Say so where rare classes or large groups kept the parts from the shares that were asked for."""
    if np.abs(sizes / sizes.sum() - fractions).max() > 0.1:
        warnings.warn(
            f"{manifest.root}: the parts hold {sizes.tolist()} images, not shares of "
            f"{np.round(fractions, 3).tolist()}: a class is too rare or a group too large for them "
            f"({manifest.counts_by_class()})",
            stacklevel=4,
        )


def _dealt(labels, groups, num_folds, fractions, seed):
    """Return the part of every row, int (N,), or None where no order of the folds gives every part every class.

    Of many orders the one is taken that misses the fractions least.
    """
    ends = np.round(np.cumsum(fractions) * num_folds).astype(int)
    if not _has_all_parts(ends):
        return None
    fold = _folds(labels, groups, num_folds, seed)
    counts = _counts(labels, fold, num_folds).astype(np.float32)  # (folds, C)
    part_of_place = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    parts = np.random.default_rng(seed).permuted(
        np.tile(part_of_place, (ORDERS, 1)), axis=1
    )  # (orders, folds)
    held = np.stack([(parts == i).astype(np.float32) @ counts for i in range(len(ends))], axis=1)
    missed = _missed(held, fractions)
    best = missed.argmin()
    return None if np.isinf(missed[best]) else parts[best][fold]


def _has_all_parts(last):
    """Tell whether parts that end after these folds have one fold or more each."""
    return bool(np.all(np.diff(last, prepend=0) > 0))


def _with_a_fold_each(last, num_folds):
    """Return the ends of the parts, in folds, moved as little as gives every part one fold or more.

    >>> _with_a_fold_each(np.array([4.0, 4.0, 5.0]), 5).tolist()
    [3.0, 4.0, 5.0]
    """
    places = np.arange(1, len(last) + 1)
    return np.maximum.accumulate(np.clip(last, places, num_folds - len(last) + places))


def _rounding(ends, num_folds):
    """Return how far the ends of the parts, as shares, move when they are rounded to whole folds."""
    return np.abs(np.round(ends * num_folds) / num_folds - ends).max().round(6)
