"""Score the detection of red cells against labelled centres, on smears that its parameters were not chosen on.

    python -m experiments.cell_detection --source chula_rbc_smears.zip \
        --output experiments/results/canine_rbc_focal/detection-chula_rbc.json

The smears whose cells were labelled (nearly) all, as their patches of foreground tell, are parted by seed into
two halves; smears of one field of view stay together. Parameters are chosen on one half by F1, one parameter after
another, and scored on the other half once. On the smears that were labelled in part, recall alone means something.
Half an hour of one slow core.
"""

import argparse
import itertools
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.cell_detection import CircleSearch, SmearError, detect_cells
from data_prep.cell_scores import INSIDE, agreement, labelled_share, labelled_smear, match_centres, score
from data_prep.smears import list_smears
from data_prep.sources import PreparationError, Source
from data_prep.verify import RejectedImageError, decode_verified
from drcls.data.duplicates import perceptual_hash, unite_groups
from drcls.runs import environment, write_json

COMPLETE = 0.8  # labelled share from which a smear counts as labelled completely
# Tried in this order, the best so far kept, twice over.
TRIED = {
    "edge": (40.0, 60.0, 90.0),
    "votes": (12.0, 14.0, 16.0, 18.0, 20.0, 23.0),
    "min_foreground": (0.5, 0.6, 0.7, 0.8),
    "min_distance": (0.5, 0.6, 0.7),
    "min_radius": (0.3, 0.35, 0.4),
    "max_radius": (0.6, 0.65, 0.7),
    "clip_limit": (1.0, 2.0, 3.0),
    "blur": (0.05, 0.08, 0.11),
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


def f1(smears, search):
    """Return F1 of the circles that hold a label of their own."""
    found = [(smear, circles_of(smear, search)) for smear in smears]
    hits = sum((match_centres(circles, smear.centres, INSIDE) >= 0).sum() for smear, circles in found)
    circles, labels = (sum(map(len, part)) for part in zip(*((c, s.centres) for s, c in found), strict=True))
    return agreement(int(hits), circles, labels)["f1"]


def choose(smears):
    """Choose the parameters of the search one after another; returns (`CircleSearch`, list of what was tried)."""
    best, tried = CircleSearch(), {}
    tried[best] = f1(smears, best)
    for name, value in tqdm(
        [(name, value) for _, name in itertools.product(range(2), TRIED) for value in TRIED[name]],
        desc="choosing",
        mininterval=1,
    ):
        candidate = replace(best, **{name: value})
        if candidate not in tried:
            tried[candidate] = f1(smears, candidate)
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
    lines += [f"  {kind}: {scores[kind]}" for kind in ("centre_error_radii", "mean_offset_radii")]
    lines += [f"  {kind}: {scores[kind]}" for kind in ("misses", "missed_types", "extra")]
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
