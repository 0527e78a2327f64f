"""Two rows on the same test images: their difference with its interval, and a test over all seeds."""

import numpy as np
import pandas as pd

from drcls.metrics import group_bootstrap_difference, random_signs_exact


def right_by_image(predictions, predicted="predicted"):
    """Return which test images are classified rightly: bool Series indexed by group and path, each image once.

    Copies of an image are no independent draws: an oversampled test part would make any p-value small.

    Args:
        predictions: DataFrame from `read_predictions`, or one with the same `path`, `group` and `label`.
        predicted: the column that holds the predicted classes.
    """
    frame = predictions.drop_duplicates("path").sort_values("path", kind="stable")
    return (frame["label"] == frame[predicted]).set_axis(pd.MultiIndex.from_frame(frame[["group", "path"]]))


def paired_difference(statistic, base, other, class_names, column="predicted"):
    """Return how much a measure gains from one row to another on the same test images, all seeds together.

    Args:
        statistic: measure of `drcls.metrics`, a function of the confusion matrix.
        base: list of DataFrame as from `read_predictions`, one per seed.
        other: the same of the row that is compared with it, in the same order and with the same rows.
        class_names: the classes, in order.
        column: the column that holds the predicted classes.

    Returns:
        dict: `difference`, other minus base, and `interval`, [low, high], its 95 % bootstrap interval over groups.
    """
    base, other = (pd.concat(frames, ignore_index=True) for frames in (base, other))
    index = {name: i for i, name in enumerate(class_names)}
    labels, first, second = (
        values.map(index).to_numpy() for values in (base["label"], base[column], other[column])
    )
    groups = base["group"].to_numpy()
    found = group_bootstrap_difference(statistic, labels, first, second, groups, len(class_names))
    change, low, high = map(float, found)
    return {"difference": change, "interval": [low, high]}


def p_over_seeds(pairs):
    """Test over all seeds whether one row is right more often than the other.

    The group is the unit: images of one patient or smear, and copies of an image, succeed and fail together. The
    answers of a group, of all seeds that share a test part, are summed, and the sums are tested by their exact
    distribution under random signs; with one seed and one image a group that is McNemar's exact test (McNemar 1947).
    Seeds that contradict each other cancel. The sums of different test parts stand side by side as those of different
    groups; test parts that different splits draw from one data set overlap, so that such a p-value is approximate and
    rather too small. The test holds the trained networks fixed: it does not cover what another training would give.

    Args:
        pairs: list over seeds of two bool Series from `right_by_image`, with equal indices; where these hold paths
            alone, every image is a group.

    Returns:
        float, two-sided.

    Raises:
        ValueError: where there is no seed, or the two of a pair have different images.
    """
    by_test_part = {}
    for first, second in pairs:
        if not first.index.equals(second.index):
            raise ValueError("the two rows of a pair were tested on different images, expected the same")
        difference = second.astype(int) - first.astype(int)
        by_group = difference.groupby(first.index.get_level_values(0)).sum()
        by_test_part.setdefault(tuple(first.index), []).append(by_group)
    if not by_test_part:
        raise ValueError("a paired test needs at least one seed, received none")
    return random_signs_exact(np.concatenate([np.sum(seeds, axis=0) for seeds in by_test_part.values()]))
