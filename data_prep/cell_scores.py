"""How well detected cells agree with labelled ones, and what the disagreements are.

A labelled centre is a click somewhere inside its cell, so a circle is right when it holds a label of its own. A
smear in which few cells are labelled says nothing about precision: a circle without a label may well be a cell.
"""

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.cell_detection import estimate_cell_diameter, foreground, match_centres

INSIDE, HALF = 1.0, 0.5  # reach of a circle, in its radii
CLUMP = 1.5  # area of a patch from which it is taken for several cells, in cells
PATCH = 0.4  # area from which a patch is taken for a cell


@dataclass(frozen=True)
class LabelledSmear:
    """A decoded smear with its labels and, for comparison, its patches of foreground.

    Args:
        name: of the smear.
        image: uint8 (H, W, 3), RGB.
        centres: float64 (L, 2).
        types: list of L names.
        cell_diameter: estimate in pixels.
        patches: int32 (H, W), number of the connected patch of foreground, 0 for background.
    """

    name: str
    image: np.ndarray
    centres: np.ndarray
    types: list
    cell_diameter: float
    patches: np.ndarray


def labelled_smear(smear, image):
    """Return the `LabelledSmear` of a `data_prep.smears.Smear` and its image, uint8 (H, W, 3).

    Raises:
        SmearError: It shows no cells.
    """
    patches = cv2.connectedComponents(foreground(image))[1]
    return LabelledSmear(
        smear.name, image, smear.centres, smear.types, estimate_cell_diameter(image), patches
    )


def patch_areas(smear):
    """Return the area of every patch in cells, float64 (P + 1,); the first is the background's, 0."""
    areas = np.bincount(smear.patches.ravel()) / (np.pi * smear.cell_diameter**2 / 4)
    areas[0] = 0
    return areas


def patches_at(smear, points):
    """Return the patch that each point lies in, int (N,), 0 for none."""
    height, width = smear.patches.shape
    columns, rows = np.floor(points).astype(np.int64).T
    return smear.patches[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]


def labelled_share(smear):
    """Return the share of the patches away from the border, of a cell's size or more, that hold a label.

    It knows nothing of circles: it tells how completely a smear was labelled, whatever is detected.
    """
    patches = smear.patches
    at_border = np.unique(np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]]))
    cells = np.setdiff1d(np.flatnonzero(patch_areas(smear) >= PATCH), at_border)
    return float(np.isin(cells, patches_at(smear, smear.centres)).mean()) if len(cells) else 0.0


def score(found):
    """Score detected circles against labelled centres, all smears taken together.

    Args:
        found: list of (`LabelledSmear`, circles float64 (N, 3)).

    Returns:
        dict: counts; precision, recall and F1 where a circle must hold its label ("inside") and where the label
        must lie within half a radius of its middle ("half_radius"); distances of the labels from the
        middles, where there are any; misses and extra circles by kind.
    """
    num_labels = sum(len(smear.centres) for smear, _ in found)
    num_circles = sum(len(circles) for _, circles in found)
    result = {"smears": len(found), "labels": num_labels, "circles": num_circles}
    for name, reach in (("inside", INSIDE), ("half_radius", HALF)):
        hits = sum(int((match_centres(circles, s.centres, reach) >= 0).sum()) for s, circles in found)
        result[name] = agreement(hits, num_circles, num_labels)
    parts = [_compare(smear, circles) for smear, circles in found]
    if result["inside"]["hits"]:
        offsets = np.concatenate([part["offsets"] for part in parts])
        result["centre_error_radii"] = _quantiles(np.hypot(*offsets.T))
        result["centre_error_pixels"] = _quantiles(np.concatenate([part["pixels"] for part in parts]))
        result["mean_offset_radii"] = [round(float(value), 3) for value in offsets.mean(axis=0)]
    for kind in ("misses", "missed_types", "extra"):
        result[kind] = dict(sum((part[kind] for part in parts), Counter()).most_common())
    labels = Counter(kind for smear, _ in found for kind in smear.types)
    result["recall_by_type"] = {
        kind: round(1 - result["missed_types"].get(kind, 0) / count, 4)
        for kind, count in labels.most_common()
    }
    return result


def agreement(hits, num_circles, num_labels):
    """Return precision, recall and F1; 0 where there is nothing to divide by."""
    return {
        "hits": hits,
        "precision": round(hits / max(num_circles, 1), 4),
        "recall": round(hits / max(num_labels, 1), 4),
        "f1": round(2 * hits / max(num_circles + num_labels, 1), 4),
    }


def _quantiles(values):
    names = ("median", "90 %")
    return {name: round(float(v), 3) for name, v in zip(names, np.percentile(values, (50, 90)), strict=True)}


def _compare(smear, circles):
    """Sort one smear's disagreements by kind."""
    matched = match_centres(circles, smear.centres, INSIDE)
    right = matched >= 0
    offsets = smear.centres[matched[right]] - circles[right, :2]
    missed = np.setdiff1d(np.arange(len(smear.centres)), matched[right])
    return {
        "offsets": offsets / circles[right, 2:],
        "pixels": np.hypot(*offsets.T),
        "misses": Counter(kinds_of_misses(smear, circles, missed)),
        "missed_types": Counter(smear.types[row] for row in missed),
        "extra": Counter(kinds_of_extra(smear, circles[~right])),
    }


def kinds_of_misses(smear, circles, missed):
    """Name what is special about the labels that no circle holds alone.

    Args:
        smear: `LabelledSmear`.
        circles: float64 (N, 3).
        missed: int (M,), rows of labels.

    Returns:
        list of M out of "border" (nearer than a radius to it), "shared circle" (in one that another label has),
        "clump" (in a patch of several cells), "alone".
    """
    height, width = smear.patches.shape
    areas, patches = patch_areas(smear), patches_at(smear, smear.centres)
    kinds = []
    for row in missed:
        x, y = smear.centres[row]
        if min(x, y, width - x, height - y) < smear.cell_diameter / 2:
            kinds.append("border")
        elif (np.hypot(*(circles[:, :2] - (x, y)).T) <= circles[:, 2]).any():
            kinds.append("shared circle")
        else:
            kinds.append("clump" if areas[patches[row]] >= CLUMP else "alone")
    return kinds


def kinds_of_extra(smear, circles):
    """Name where the circles without a label of their own lie.

    Returns:
        list of N out of "second circle" (a label of another circle lies in it), "unlabelled at the border",
        "unlabelled patch" (no label in the whole patch), "in a labelled clump", "background".
    """
    height, width = smear.patches.shape
    labelled, patches = patches_at(smear, smear.centres), patches_at(smear, circles[:, :2])
    kinds = []
    for (x, y, radius), patch in zip(circles, patches, strict=True):
        if (np.hypot(*(smear.centres - (x, y)).T) <= radius).any():
            kinds.append("second circle")
        elif min(x, y, width - x, height - y) < radius:
            kinds.append("unlabelled at the border")
        elif not patch:
            kinds.append("background")
        else:
            kinds.append("in a labelled clump" if patch in labelled else "unlabelled patch")
    return kinds
