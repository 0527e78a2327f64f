"""From blood cells as found to training, validation and test parts: duplicates, outliers, split (section 2.1)."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from drcls.data import Manifest, deduplicate, find_outliers, read_injected, score_detection, split
from drcls.data.outliers import Outliers
from drcls.data.split import stratified_split_indices
from drcls.files import write_csv, write_json


class Removed(NamedTuple):
    """What `make_parts` left out: `Manifest` without duplicates, `Manifest` that the forest saw, what it found."""

    kept: Manifest
    searched: Manifest
    found: Outliers


def make_parts(manifest, cache, protocol, fractions, seed):
    """Remove duplicates and outliers and split, as the protocol has it.

    - `paper`: identical files once, near-identical ones as they are found; the forest looks at all images and
      removes from all; then 80:20 at random. Test is validation: the paper's tables say no more.
    - `clean`: groups of near-identical images stay together. What was injected never stands in validation or
      test, which hold genuine cells alone, all of them; in training it lies among the cells it was injected on,
      and the forest, which sees the training part only, must find it.

    Args:
        manifest: the whole data set, a `Manifest`.
        cache: its `ImageCache`.
        protocol: "paper" or "clean".
        fractions: two shares for `paper`, three for `clean`.
        seed: int, of the forest and the split.

    Returns:
        dict from "train", "validation", "test" to a `Manifest`; `Removed`, for `write_removed`.
    """
    kept = deduplicate(manifest)
    parts = {} if protocol == "paper" else _split_genuine(kept, fractions, seed)
    searched = kept if protocol == "paper" else parts["train"]
    found = find_outliers(cache.images, seed, cache.rows(searched))
    left = searched.select(np.flatnonzero(~found.flagged))
    if protocol == "paper":
        train, validation = (
            left.select(rows) for rows in stratified_split_indices(left.labels, fractions, seed)
        )
        parts = {"train": train, "validation": validation, "test": validation}
    else:
        parts["train"] = left
    return parts, Removed(kept, searched, found)


def read_overlays(part):
    """Return the kinds of injected overlays, "" for the rest; None where nobody knows.

    An injected duplicate counts as genuine: of two identical files one is as good as the other, and one is dropped.
    """
    kinds = read_injected(part)
    return None if kinds is None else np.where(kinds == "duplicate", "", kinds)


def _split_genuine(kept, fractions, seed):
    """Split the genuine cells by groups; what was injected on a training cell follows it."""
    injected = read_overlays(kept)
    if injected is None:
        return split(kept, fractions, seed, "grouped")
    parts = split(kept.select(np.flatnonzero(injected == "")), fractions, seed, "grouped")
    follows = kept.frame["group"].isin(set(parts["train"].frame["group"])).to_numpy()
    return parts | {"train": kept.select(np.flatnonzero(follows))}


def write_removed(manifest, removed, parts, protocol, folder):
    """Write what was removed and how well that fits what was injected.

    Args:
        manifest: the whole data set, a `Manifest`.
        removed, parts: from `make_parts`.
        protocol: "paper" or "clean".
        folder: Path; `outliers.json` (counts, score) and `outliers.csv` (each image the forest saw) go there.
    """
    kept, searched, found = removed
    everything, injected = read_injected(manifest), read_overlays(searched)

    described = {
        "data": manifest.root.name,
        "phantom": bool(manifest.info.get("phantom")),
        "protocol": protocol,
        "threshold": found.threshold,
        "counts": {
            "as found": manifest.counts_by_class(),
            "duplicates removed": kept.counts_by_class(),
            "searched for outliers": searched.counts_by_class(),
            "train": parts["train"].counts_by_class(),
            "validation": parts["validation"].counts_by_class(),
        }
        | ({} if protocol == "paper" else {"test": parts["test"].counts_by_class()}),
        "duplicates_removed": len(manifest) - len(kept),
        "num_searched": len(searched),
        "num_removed": int(found.flagged.sum()),
    }
    if injected is not None:
        described["injected_duplicates"] = int((everything == "duplicate").sum())
        described["detection"] = score_detection(found.flagged, injected != "")
        described["by_kind"] = {
            kind: score_detection(found.flagged, injected == kind)["recall"]
            for kind in sorted(set(injected) - {""})
        }
    frame = searched.frame[["path", "label"]].assign(
        score=found.scores, injected="unknown" if injected is None else injected
    )
    write_csv(Path(folder) / "outliers.csv", frame)
    write_json(Path(folder) / "outliers.json", described)
    print(
        f"{protocol} protocol, outliers: {json.dumps(described.get('detection', 'nothing known to be injected'))}"
    )


def read_searched(folder):
    """Read `outliers.csv`: path, label, score, injected (a kind, "" for genuine, "unknown")."""
    texts = {"path": str, "label": str, "injected": str}
    return pd.read_csv(Path(folder) / "outliers.csv", dtype=texts, keep_default_na=False)
