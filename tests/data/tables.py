"""Manifests without images, for tests of splitting and resampling."""

import hashlib
from pathlib import Path

import pandas as pd

from drcls.data import Manifest

APTOS_COUNTS = {"No_DR": 1805, "Mild": 370, "Moderate": 999, "Severe": 193, "Proliferate_DR": 295}


def table(counts, images_per_group=1):
    """Make a manifest of distinct images with these class counts; groups hold images of one class."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    digests = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(labels))]
    frame = pd.DataFrame(
        {
            "path": [f"images/{i:05d}.png" for i in range(len(labels))],
            "label": labels,
            "group": [f"{label}-{i // images_per_group}" for i, label in enumerate(labels)],
            "sha256": digests,
            # 576 random bits: unlike images lie about 288 bits apart.
            "phash": [hashlib.shake_256(str(i).encode()).hexdigest(72) for i in range(len(labels))],
            "width": 8,
            "height": 8,
            "source_split": "",
        }
    )
    return Manifest(Path("nowhere"), frame, {"classes": list(counts), "ordered": False})
