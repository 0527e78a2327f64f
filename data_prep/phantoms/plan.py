"""Deciding what a phantom holds before anything is drawn: counts, patients and repeated files."""

import numpy as np


def share_out(num_images, proportions, smallest):
    """Share images out in the proportions of another data set.

    Args:
        num_images: how many there are.
        proportions: counts of the other data set, (C,).
        smallest: how many each share holds at least, at the cost of the first one.

    Returns:
        int64 (C,), which sums to `num_images`.
    """
    exact = num_images * proportions / proportions.sum()
    counts = np.maximum(np.floor(exact).astype(np.int64), smallest)
    for _ in range(num_images - counts.sum()):
        counts[np.argmax(exact - counts)] += 1
    counts[0] -= max(0, counts.sum() - num_images)
    return counts


def spread(rows, count):
    """Pick `count` rows at even distances, so that every class has its share of them."""
    return rows[((np.arange(count) + 0.5) * len(rows) / count).astype(np.int64)]


def cut_into_patients(num_images, rng):
    """Cut a row of images into patients of two to five; returns where each begins, and the end (P + 1,)."""
    sizes = rng.choice((2, 3, 4), size=num_images, p=(0.6, 0.25, 0.15))
    ends = np.cumsum(sizes)
    return [0, *ends[ends <= num_images - 2], num_images]


def shuffle(plan, rng):
    """Shuffle the rows of a plan, whose `source` (a row, or -1) follows: a number must not tell the class."""
    order = rng.permutation(len(plan))
    row_of = np.argsort(order)
    plan["source"] = np.where(plan["source"] < 0, -1, row_of[plan["source"]])
    return plan.iloc[order].reset_index(drop=True)
