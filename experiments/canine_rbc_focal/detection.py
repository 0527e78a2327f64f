"""Score the detection of red cells against labelled centres, on smears that its parameters were not chosen on.

    python -m experiments.canine_rbc_focal.detection --source chula_rbc_smears.zip \
        --output experiments/results/canine_rbc_focal/detection-chula_rbc.json

The smears whose cells were labelled (nearly) all, as their patches of foreground tell, are parted by seed into
two halves; smears of one field of view stay together. Parameters are chosen on one half by F1, one parameter after
another, and scored on the other half once. On the smears that were labelled in part, recall alone means
something. What is not chosen here (the kind of Hough transform, the filter by foreground) was settled on eighteen
smears of both halves beforehand. Two minutes of one core.
"""

import argparse
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.cell_detection import CircleSearch, SmearError, detect_cells, prepare_smear, search_circles
from data_prep.cell_scores import INSIDE, agreement, labelled_share, labelled_smear, match_centres, score
from data_prep.smears import list_smears
from data_prep.sources import PreparationError, Source
from data_prep.verify import RejectedImageError, decode_verified
from drcls.data.duplicates import perceptual_hash, unite_groups
from drcls.environment import environment
from drcls.files import write_json

COMPLETE = 0.8  # labelled share from which a smear counts as labelled completely
# Tried in this order, the best so far kept; the middle ones are the start.
TRIED = {
    "votes": (14.0, 17.0, 20.0, 23.0),
    "edge": (45.0, 60.0, 90.0),
    "min_foreground": (0.5, 0.6, 0.7, 0.8),
    "min_distance": (0.5, 0.6, 0.7),
    "min_radius": (0.3, 0.35, 0.4),
    "max_radius": (0.6, 0.65, 0.7),
}


def load_smears(source):
    """Return (list of `LabelledSmear`, list of their groups, dict of the smears left out and why)."""
    smears, digests, left_out = [], [], {}
    for smear in tqdm(list_smears(source), desc="reading", unit="smear", mininterval=1):
        try:
            data = source.read(smear.image)
            smears.append(labelled_smear(smear, decode_verified(data, smear.image)))
            digests.append(data)
        except (RejectedImageError, SmearError) as error:
            left_out[smear.name] = str(error)
    hashes = [perceptual_hash(smear.image) for smear in smears]
    return smears, unite_groups([smear.name for smear in smears], digests, hashes), left_out


def part_in_halves(groups, seed):
    """Part rows in two halves by their groups; returns bool (N,), True for those to choose on."""
    names = np.random.default_rng(seed).permutation(sorted(set(groups)))
    return np.isin(groups, names[: len(names) // 2])


def circles_of(smear, search):
    """Return the circles of a smear, float64 (N, 3); none where none are found."""
    try:
        return detect_cells(smear.image, search).circles
    except SmearError:
        return np.zeros((0, 3))


def f1(smears, detections, search):
    """Return F1 of the circles that hold a label of their own."""
    circles = [search_circles(detection, search) for detection in detections]
    pairs = list(zip(smears, circles, strict=True))
    hits = sum(int((match_centres(found, smear.centres, INSIDE) >= 0).sum()) for smear, found in pairs)
    return agreement(hits, sum(map(len, circles)), sum(len(smear.centres) for smear in smears))["f1"]


def choose(smears):
    """Choose the parameters of the search one after another; returns (`CircleSearch`, list of what was tried)."""
    best = CircleSearch(**{name: values[len(values) // 2] for name, values in TRIED.items()})
    detections = [
        prepare_smear(smear.image, best) for smear in tqdm(smears, desc="equalising", mininterval=1)
    ]
    tried = {best: f1(smears, detections, best)}
    trials = [(name, value) for name, values in TRIED.items() for value in values]
    for name, value in tqdm(trials, desc="choosing", mininterval=1):
        candidate = replace(best, **{name: value})
        if candidate not in tried:
            tried[candidate] = f1(smears, detections, candidate)
        if tried[candidate] > tried[best]:
            best = candidate
    return best, [{"f1": value, **asdict(search)} for search, value in tried.items()]


def measure(source, seed):
    """Choose on one half of the smears, score on the other; returns the content of the result."""
    smears, groups, left_out = load_smears(source)
    shares = np.array([labelled_share(smear) for smear in smears])
    complete = np.flatnonzero(shares >= COMPLETE)
    chosen_on = part_in_halves([groups[row] for row in complete], seed)
    parts = {
        "choose": [smears[row] for row in complete[chosen_on]],
        "score": [smears[row] for row in complete[~chosen_on]],
        "labelled_in_part": [smear for smear, share in zip(smears, shares, strict=True) if share < COMPLETE],
    }
    if not parts["choose"] or not parts["score"]:
        raise PreparationError(f"{source.path}: {len(complete)} smears are labelled completely, 2 expected")
    search, tried = choose(parts["choose"])

    def scored(part, how):
        return score([(smear, circles_of(smear, how)) for smear in parts[part]])

    return {
        "data": source.path.name,
        "seed": seed,
        "labelled_share_of_a_complete_smear": COMPLETE,
        "parameters": asdict(search),
        "tried": tried,
        "scored_on_the_other_half": scored("score", search),
        "chosen_on": scored("choose", search),
        "labelled_in_part": scored("labelled_in_part", search),
        "partition": {name: sorted(smear.name for smear in part) for name, part in parts.items()},
        "labelled_shares": {
            smear.name: round(share, 3) for smear, share in zip(smears, shares.tolist(), strict=True)
        },
        "left_out": left_out,
    }


def describe(name, scores):
    """Say in a few lines how circles and labels agree."""
    lines = [f"{name}: {scores['smears']} smears, {scores['labels']} labels, {scores['circles']} circles"]
    for kind in ("inside", "half_radius"):
        part = scores[kind]
        lines.append(
            f"  {kind:<12} precision {part['precision']:.3f}  recall {part['recall']:.3f}  F1 {part['f1']:.3f}"
        )
    details = (
        "centre_error_radii",
        "centre_error_pixels",
        "mean_offset_radii",
        "misses",
        "missed_types",
        "extra",
    )
    lines += [f"  {kind}: {scores[kind]}" for kind in details if kind in scores]
    return "\n".join(lines)


def main(arguments=None):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Score the detection of red cells.")
    parser.add_argument("--source", type=Path, required=True, help="whole smears: a zip or a folder")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--seed", type=int, default=0, help="of the halves")
    args = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        with Source(args.source) as source:
            result = measure(source, args.seed)
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    result["environment"] = environment(time.perf_counter() - started)
    write_json(args.output, result)
    for name in ("scored_on_the_other_half", "chosen_on", "labelled_in_part"):
        print(describe(name, result[name]))
    print(f"parameters: {result['parameters']}\nwritten: {args.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
