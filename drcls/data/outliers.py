"""Images that do not belong: unlike most of their data set in colour, found without labels.

Blood-cell paper, section 2.1: duplicates are removed, then outliers by an isolation forest. Which features the
forest saw and where its threshold lay is not printed. The features here were chosen by what they find of the images
injected among synthetic cells; the threshold looks at no truth.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

HUE_BINS = 12
NUM_TREES = 300
# Injected images resemble one another: in larger samples they stand together and hide each other (masking).
SAMPLES_PER_TREE = 32


@dataclass(frozen=True)
class Outliers:
    """What the forest says.

    Args:
        scores: float64 (N,), anomaly score in 0..1; higher is stranger.
        threshold: float; images above it are outliers.
    """

    scores: np.ndarray
    threshold: float

    @property
    def flagged(self):
        """Which images are outliers, bool (N,)."""
        return self.scores > self.threshold


def hue_histogram(image):
    """Describe an image by its hues: how much colour lies in each direction of the a-b plane of CIELAB.

    Stained cells have few hues, wherever and however large the cell is; another picture brings others.

    Args:
        image: uint8 (H, W, 3), RGB.

    Returns:
        float32 (12,): in each bin of hue the chroma, averaged over all pixels.
    """
    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB).astype(np.float32) - 128
    a, b = lab[..., 1], lab[..., 2]
    chroma, _ = np.histogram(np.arctan2(b, a), HUE_BINS, (-np.pi, np.pi), weights=np.hypot(a, b))
    return np.float32(chroma / a.size)


def find_outliers(images, seed, rows=None):
    """Score every image by an isolation forest and cut the scores in two by Otsu's method.

    Nothing is told about how many outliers there are, nor which: the threshold parts the scores into the two
    groups that differ most (Otsu, 1979). A set without outliers is parted too, so look at what is removed.

    Args:
        images: uint8 (M, H, W, 3), RGB, memory-mapped or not.
        seed: int, of the forest.
        rows: int (N,), which images to search; None for all.

    Returns:
        Outliers.

    Raises:
        ValueError: where there are too few images for one tree.
    """
    rows = range(len(images)) if rows is None else rows
    if len(rows) < SAMPLES_PER_TREE:
        raise ValueError(
            f"an isolation forest needs at least {SAMPLES_PER_TREE} images; received {len(rows)}"
        )
    features = np.stack([hue_histogram(images[row]) for row in rows])
    from sklearn.ensemble import (
        IsolationForest,  # scikit-learn takes a second, and whoever reads a manifest needs none of it
    )

    forest = IsolationForest(n_estimators=NUM_TREES, max_samples=SAMPLES_PER_TREE, random_state=seed)
    scores = -forest.fit(features).score_samples(features)
    return Outliers(scores, otsu_threshold(scores))


def otsu_threshold(values):
    """Return where a set of numbers is parted into the two groups of the largest variance between them.

    Args:
        values: float (N,).

    Returns:
        float; values above it are the upper group, which is empty where all are equal.
    """
    low, width = float(np.min(values)), float(np.ptp(values))
    if width == 0:
        return low
    levels = np.round((values - low) / width * 255).astype(np.uint8)
    level, _ = cv2.threshold(levels[:, None], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return low + (level + 0.5) / 255 * width


def read_injected(manifest):
    """Return what was injected in a prepared data set: str (N,), "" for genuine images, in the order of its rows.

    Args:
        manifest: `Manifest`.

    Returns:
        The kinds, or None where the data set has no `injected.csv`: then nobody knows.
    """
    path = manifest.root / "injected.csv"
    if not path.is_file():
        return None
    kinds = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("path")["kind"]
    return manifest.frame["path"].map(kinds).fillna("").to_numpy(str)


def score_detection(flagged, injected):
    """Compare what was flagged with what was injected.

    Args:
        flagged: bool (N,).
        injected: bool (N,).

    Returns:
        dict: `num_injected`, `num_flagged`, `num_found`; `precision` and `recall`, None where undefined.
    """
    found, num_flagged, num_injected = (
        int((flagged & injected).sum()),
        int(flagged.sum()),
        int(injected.sum()),
    )
    return {
        "num_injected": num_injected,
        "num_flagged": num_flagged,
        "num_found": found,
        "precision": found / num_flagged if num_flagged else None,
        "recall": found / num_injected if num_injected else None,
    }
