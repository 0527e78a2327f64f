"""Writes a data set of synthetic fundus photographs, the stand-in for APTOS 2019 that needs no download.

    python -m data_prep.phantoms.fundus --output data/fundus_phantom --seed 0

It has what makes APTOS hard to use honestly: the class proportions of its 3662 images, several photographs
of one patient, files stored twice, some of them under two different labels, and graders who disagree. The
lesions are drawn, not real: figures measured on it say how software behaves, nothing about the disease.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from data_prep.phantoms.eye import CAMERAS, Eye
from data_prep.phantoms.folder import Phantom, run_command
from data_prep.phantoms.plan import cut_into_patients, share_out, shuffle, spread
from data_prep.phantoms.retina import MIN_SIZE, draw_fundus
from data_prep.phantoms.retina_lesions import CLASSES

__all__ = ["draw_fundus", "write_fundus"]

APTOS_COUNTS = np.array([1805, 370, 999, 193, 295])
APTOS_DUPLICATES, APTOS_CONFLICTING = 123, 30  # groups of identical files; those with two labels among them
SMALLEST_CLASS = 5
MIN_IMAGES = 40
LABEL_NOISE = 0.04  # share of the images with lesions whose label is one grade beside what was drawn


# --- What to draw


def class_counts(num_images):
    """Share `num_images` out in the proportions of APTOS 2019, int64 (5,), at least five images to a class."""
    return share_out(num_images, APTOS_COUNTS, SMALLEST_CLASS)


def plan_images(num_images, seed):
    """Decide who is photographed, with which lesions, under which label.

    Args:
        num_images: number of images.
        seed: non-negative integer.

    Returns:
        DataFrame with one row an image: `label` and `drawn` (grades 0..4; they differ by the label noise),
        `patient` (number), `eye` (0 or 1: the patient's first or second), `source` (the row whose file this
        row repeats, or -1).
    """
    rng = np.random.default_rng([seed, 0])
    labels = np.repeat(np.arange(len(CLASSES)), class_counts(num_images))
    repeats = np.zeros(num_images, np.int64)  # 1: the same file again; 2: again under a neighbouring label
    num_conflicting = max(1, round(num_images * APTOS_CONFLICTING / APTOS_COUNTS.sum()))
    num_identical = max(1, round(num_images * APTOS_DUPLICATES / APTOS_COUNTS.sum()) - num_conflicting)
    repeats[spread(np.arange(num_images), num_identical)] = 1
    repeats[spread(np.flatnonzero((labels > 0) & (repeats == 0)), num_conflicting)] = 2

    originals = _plan_patients(labels[repeats == 0], rng)
    copies = _plan_copies(originals, labels[repeats == 1], labels[repeats == 2], rng)
    plan = pd.concat([originals, copies], ignore_index=True)
    return shuffle(plan, rng)


def _plan_patients(labels, rng):
    """Deal the labels out to patients of two to five photographs, whose two eyes are graded nearly alike.

    A second photograph of an eye is of a later visit: the same vessels, lesions of its own.
    """
    severity = labels + rng.normal(0, 0.45, len(labels))
    labels = labels[np.argsort(severity)]
    ends = cut_into_patients(len(labels), rng)
    numbers = rng.permutation(len(ends) - 1)  # the number of a patient must not tell the grade either
    patient = np.concatenate(
        [[number] * (b - a) for number, (a, b) in zip(numbers, pairwise(ends), strict=True)]
    )
    eye = np.concatenate([np.arange(b - a) * 2 // (b - a) for a, b in pairwise(ends)])

    noisy = (labels > 0) & (rng.random(len(labels)) < LABEL_NOISE)
    drawn = np.where(noisy, _neighbour(labels, rng), labels)
    return pd.DataFrame({"label": labels, "drawn": drawn, "patient": patient, "eye": eye, "source": -1})


def _neighbour(labels, rng):
    """Return a grade beside each of `labels`, in 1..4: no healthy eye is misjudged, so its mask is empty."""
    step = rng.choice((-1, 1), size=len(labels))
    step = np.where(labels <= 1, 1, np.where(labels == len(CLASSES) - 1, -1, step))
    return labels + step


def _plan_copies(originals, identical, differing, rng):
    """Choose which files stand in the data twice, given the labels of the copies that agree and that differ."""
    wanted = np.concatenate([identical, _neighbour(differing, rng)])  # the label of the file that is repeated
    sources = []
    for label in wanted:
        free = originals.index[originals["label"] == label].difference(sources)
        sources.append(rng.choice(free))
    copies = originals.loc[sources].reset_index(drop=True)
    return copies.assign(label=np.concatenate([identical, differing]), source=sources)


def _draw_planned(plan, index, size, seed):
    """Draw one row of the plan: a copy is drawn as its source was, which gives the same bytes."""
    row = plan.iloc[index]
    if row["source"] >= 0:
        return _draw_planned(plan, row["source"], size, seed)
    patient = np.random.default_rng([seed, 1, row["patient"]])
    first_side, pigment, camera = patient.integers(2), patient.random(), patient.integers(len(CAMERAS))
    vessels = patient.integers(2**32, size=2)
    side = ("left", "right")[(first_side + row["eye"]) % 2]
    eye = Eye(side, float(pigment), int(vessels[row["eye"]]), int(camera))
    return draw_fundus(int(row["drawn"]), np.random.default_rng([seed, 2, index]), size, eye)


def count_injected(plan):
    """Count the copies, and the images labelled one grade beside what was drawn."""
    return {
        "copies": int((plan["source"] >= 0).sum()),
        "misjudged_images": int((plan["label"] != plan["drawn"])[plan["source"] < 0].sum()),
    }


FUNDUS = Phantom(
    name="fundus_phantom",
    title="Synthetic fundus photographs in APTOS 2019 proportions (drawn, not real)",
    classes=CLASSES,
    ordered=True,
    num_images=480,
    size=128,
    min_images=MIN_IMAGES,
    min_size=MIN_SIZE,
    drawing=1,
    plan=plan_images,
    draw=_draw_planned,
    count_injected=count_injected,
)
write_fundus = FUNDUS.write


def main(arguments=None):
    """Run the command line."""
    run_command(FUNDUS, "Write a data set of synthetic fundus photographs.", arguments)


if __name__ == "__main__":
    main()
