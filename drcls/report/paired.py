"""Two rows on the same test images: the difference in accuracy, tested over all seeds."""

import numpy as np
from scipy.stats import binom, combine_pvalues


def right_by_image(predictions, predicted="predicted"):
    """Return which test images are classified rightly: bool Series indexed by path, each image once.

    Copies of an image are no independent draws: an oversampled test part would make any p-value small.

    Args:
        predictions: DataFrame from `read_predictions`, or one with the same `path` and `label`.
        predicted: the column that holds the predicted classes.
    """
    frame = predictions.drop_duplicates("path").sort_values("path", kind="stable")
    return (frame["label"] == frame[predicted]).set_axis(frame["path"])


def p_over_seeds(pairs):
    """Test over all seeds whether one row is right more often than the other.

    The image is the unit. Seeds that share a test part are summed image by image, and the sums are tested by
    their exact distribution under random signs; with one seed that is McNemar's exact test (McNemar 1947).
    Different test parts are combined by Fisher's method (Fisher 1925), which takes them as independent; test
    parts that different splits draw from one data set overlap, so that such a p-value is approximate. The test
    holds the trained networks fixed: it does not cover what another training would give.

    Args:
        pairs: list over seeds of two bool Series from `right_by_image`, with equal indices.

    Returns:
        float, two-sided.

    Raises:
        ValueError: where there is no seed, or the two of a pair have different images.
    """
    by_test_part = {}
    for first, second in pairs:
        if not first.index.equals(second.index):
            raise ValueError("the two rows of a pair were tested on different images, expected the same")
        difference = second.to_numpy().astype(int) - first.to_numpy().astype(int)
        by_test_part.setdefault(tuple(first.index), []).append(difference)
    if not by_test_part:
        raise ValueError("a paired test needs at least one seed, received none")
    p_values = [_random_signs(np.sum(seeds, axis=0)) for seeds in by_test_part.values()]
    return float(p_values[0] if len(p_values) == 1 else combine_pvalues(p_values, method="fisher").pvalue)


def _random_signs(sums):
    """Return P(|sum of +-s| >= |sum of s|) over fair signs, for integers s (N,)."""
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    distribution = np.ones(1)  # of the sum, from -total to +total
    for size, count in zip(sizes, counts, strict=True):
        steps = np.zeros(2 * size * count + 1)
        steps[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        distribution = np.convolve(distribution, steps)
    values = np.arange(len(distribution)) - len(distribution) // 2
    return float(min(1, distribution[np.abs(values) >= abs(sums.sum())].sum()))
