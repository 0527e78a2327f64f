"""Writes a data set of synthetic MR slices of heads, the stand-in for Brain Tumor MRI that needs no download.

    python -m data_prep.phantoms.brain --output data/brain_phantom --seed 0

It has what makes Brain Tumor MRI hard to use honestly: the proportions of its classes and of its two parts,
several slices of one patient, and files stored twice, more than half of them once in Training and once in
Testing. Patients are never in both parts but for those files. The tumours are drawn, not real: figures measured
on it say how software behaves, nothing about the disease.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from data_prep.brain_tumor_mri import SPLIT_COUNTS
from data_prep.phantoms.folder import Phantom, run_command
from data_prep.phantoms.head import CLASSES, MIN_SIZE, Head, draw_slice
from data_prep.phantoms.plan import cut_into_patients, share_out, shuffle, spread

__all__ = ["draw_slice", "write_brain"]

SPLITS = list(SPLIT_COUNTS)
COUNTS = np.array([[SPLIT_COUNTS[split][name] for name in CLASSES] for split in SPLITS])  # (2, C)
DUPLICATES, STRADDLING = 300, 189  # groups of identical files in the original; those in both parts
SMALLEST_CLASS = 3  # of either part
MIN_IMAGES = 80


def split_counts(num_images):
    """Share `num_images` out as the original's parts and classes are, int64 (2, C), at least three each."""
    return share_out(num_images, COUNTS.ravel(), SMALLEST_CLASS).reshape(COUNTS.shape)


def plan_images(num_images, seed):
    """Decide who is scanned, with which tumour, in which part.

    Args:
        num_images: number of images.
        seed: non-negative integer.

    Returns:
        DataFrame with one row an image: `label` (0..3), `source_split`, `patient` (number; of one class and one
        part, its copies apart), `source` (the row whose file this row repeats, or -1).
    """
    rng = np.random.default_rng([seed, 0])
    parts, labels = np.indices(COUNTS.shape).reshape(2, -1).repeat(split_counts(num_images).ravel(), axis=1)
    num_straddling = max(1, round(num_images * STRADDLING / COUNTS.sum()))
    num_within = max(1, round(num_images * DUPLICATES / COUNTS.sum()) - num_straddling)
    is_copy = np.zeros(num_images, bool)
    is_copy[spread(np.flatnonzero(parts == SPLITS.index("Testing")), num_straddling)] = True
    is_copy[spread(np.flatnonzero(parts == SPLITS.index("Training")), num_within)] = True

    plan = pd.DataFrame(
        {"label": labels, "source_split": np.array(SPLITS)[parts], "patient": -1, "source": -1}
    )
    first = 0
    for _, rows in plan[~is_copy].groupby(["source_split", "label"]).groups.items():
        for start, end in pairwise(cut_into_patients(len(rows), rng)):
            plan.loc[rows[start:end], "patient"] = first
            first += 1
    plan["patient"] = np.append(rng.permutation(first), -1)[plan["patient"]]  # nor must this number tell
    for row in np.flatnonzero(is_copy):
        alike = (plan["label"] == plan["label"][row]) & (plan["source_split"] == "Training") & ~is_copy
        source = rng.choice(plan.index[alike].difference(plan["source"]))
        plan.loc[row, ["source", "patient"]] = source, plan["patient"][source]
    return shuffle(plan, rng)


def _draw_planned(plan, index, size, seed):
    """Draw one row of the plan: a copy is drawn as its source was, which gives the same bytes."""
    row = plan.iloc[index]
    if row["source"] >= 0:
        return _draw_planned(plan, row["source"], size, seed)
    head = Head.random(np.random.default_rng([seed, 1, row["patient"]]))
    return draw_slice(int(row["label"]), np.random.default_rng([seed, 2, index]), size, head)


def count_injected(plan):
    """Count the copies, and those that are in the other part than their source."""
    copies = plan["source"] >= 0
    return {
        "copies": int(copies.sum()),
        "straddling_copies": int((copies & (plan["source_split"] == "Testing")).sum()),
    }


BRAIN = Phantom(
    name="brain_phantom",
    title="Synthetic MR slices of heads in Brain Tumor MRI proportions (drawn, not real)",
    classes=CLASSES,
    ordered=False,
    num_images=480,
    size=64,
    min_images=MIN_IMAGES,
    min_size=MIN_SIZE,
    drawing=1,
    plan=plan_images,
    draw=_draw_planned,
    count_injected=count_injected,
)
write_brain = BRAIN.write


def main(arguments=None):
    """Run the command line."""
    run_command(BRAIN, "Write a data set of synthetic MR slices of heads.", arguments)


if __name__ == "__main__":
    main()
