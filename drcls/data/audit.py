"""What to know about a data set before anything is trained on it: copies, contradictions, torn groups, rare classes.

Everything is computed from the manifest; no image is read.
"""

from collections import Counter

import numpy as np
import pandas as pd

from drcls.data.duplicates import (
    ORIENTATIONS,
    cluster_numbers,
    hash_distance,
    identical_pairs,
    near_identical_pairs,
    turned_pairs,
)
from drcls.data.split import split

FRACTIONS = (0.8, 0.1, 0.1)
SEEDS = range(5)
# Three parts need three groups of a class (`drcls.data.split`), and a test part of a tenth ten images for one.
LEAST_GROUPS, LEAST_IMAGES = 3, 10
MAX_LISTED = 1000
KINDS = ("identical", "near-identical", "turned or mirrored")


def audit(manifest, against=None, seeds=SEEDS, max_listed=MAX_LISTED):
    """Audit a prepared data set, alone or against another one.

    Args:
        manifest: `Manifest` of the whole data set.
        against: `Manifest` of another data set, for example the one a model was trained on, or None.
        seeds: ints, of the random splits whose leak is measured.
        max_listed: how many pairs of each kind to list; all are counted.

    Returns:
        dict that JSON can hold: `data` (name, images, `classes` with images and groups, `parts`, `sizes`), `pairs`
        and `against` (see below), `torn_groups` (of which images lie in several distributed parts), `rare_classes`
        with the reason, and `random_split`, the share of test images that an 80/10/10 split of single images would
        leak, for every seed.

        `pairs` holds for each of `KINDS` how many pairs there are, how many have conflicting labels and how many lie
        in several distributed parts, and lists them: `first` and `second` with path, label, part and group, and
        `distance` in bits of the hash or `orientation`. Of n identical files n - 1 pairs are listed, and one stands
        for all of them among the near-identical. `against`, None or a dict, holds the same between the two data sets
        and the share of images that have such a partner.
    """
    frame = manifest.frame
    found = _find_pairs(manifest)
    return {
        "data": _describe(manifest),
        "pairs": {kind: _listed(manifest, manifest, *found[kind], max_listed) for kind in KINDS},
        "torn_groups": _torn_groups(frame),
        "rare_classes": _rare_classes(manifest),
        "random_split": _random_split(manifest, found, seeds),
        "against": None if against is None else _compare(manifest, against, max_listed),
    }


def _describe(manifest):
    frame = manifest.frame
    groups = frame.groupby("label")["group"].nunique()
    sizes = Counter(zip(frame["width"].tolist(), frame["height"].tolist(), strict=True))
    parts = {part: rows["label"].value_counts() for part, rows in frame.groupby("source_split") if part}
    return {
        "name": manifest.info.get("name", manifest.root.name),
        "title": manifest.info.get("title", manifest.root.name),
        "phantom": bool(manifest.info.get("phantom", False)),
        "images": len(manifest),
        "groups": int(frame["group"].nunique()),
        "classes": {
            name: {"images": count, "groups": int(groups.get(name, 0))}
            for name, count in manifest.counts_by_class().items()
        },
        "parts": {
            part: {name: int(counts.get(name, 0)) for name in manifest.classes}
            for part, counts in parts.items()
        },
        "sizes": {f"{width} x {height}": count for (width, height), count in sizes.most_common(10)},
    }


def _distinct(manifest):
    """Return the first row of every distinct file, int64 (U,), and their hashes."""
    rows = np.flatnonzero(~manifest.frame.duplicated("sha256"))
    return rows, manifest.frame["phash"].to_numpy()[rows].tolist()


def _find_pairs(manifest):
    """Return dict, kind -> (int64 (P, 2) of rows, list of notes to the pairs)."""
    rows, hashes = _distinct(manifest)
    near = near_identical_pairs(hashes)
    turned, orientations = turned_pairs(hashes)
    turned, orientations = _without(turned, orientations, near, len(rows))
    same = identical_pairs(manifest.frame["sha256"])
    return {
        "identical": (same, [{}] * len(same)),
        "near-identical": (rows[near], _distances(near, hashes, hashes)),
        "turned or mirrored": (rows[turned], [{"orientation": ORIENTATIONS[n]} for n in orientations]),
    }


def _without(pairs, notes, others, num_second):
    """Return the pairs, with their notes, that are not among other pairs."""
    kept = ~np.isin(pairs @ [num_second, 1], others @ [num_second, 1])
    return pairs[kept], notes[kept]


def _distances(pairs, hashes, others):
    return [{"distance": hash_distance(hashes[i], others[j])} for i, j in pairs]


def _listed(first, second, pairs, notes, max_listed):
    labels = first.frame["label"].to_numpy()[pairs[:, 0]], second.frame["label"].to_numpy()[pairs[:, 1]]
    parts = (
        first.frame["source_split"].to_numpy()[pairs[:, 0]],
        second.frame["source_split"].to_numpy()[pairs[:, 1]],
    )
    # Contradictions first, since lists are cut.
    order = np.argsort(labels[0] == labels[1], kind="stable")
    return {
        "pairs": len(pairs),
        "conflicting": int((labels[0] != labels[1]).sum()),
        "across_parts": int((parts[0] != parts[1]).sum()),
        "listed": [
            {"first": _row(first, pairs[k, 0]), "second": _row(second, pairs[k, 1]), **notes[k]}
            for k in order[:max_listed]
        ],
    }


def _row(manifest, row):
    image = manifest.frame.iloc[row]
    return {
        "path": image["path"],
        "label": image["label"],
        "part": image["source_split"],
        "group": image["group"],
    }


def _torn_groups(frame):
    """List the groups with images in several distributed parts, and how many images they have in each."""
    num_parts = frame[frame["source_split"] != ""].groupby("group")["source_split"].nunique()
    torn = frame[frame["group"].isin(num_parts.index[num_parts > 1])]
    counts = torn.groupby(["group", "source_split"]).size()
    listed = {}
    for (group, part), count in counts.items():
        listed.setdefault(group, {})[part] = int(count)
    return {"groups": len(listed), "images": len(torn), "listed": dict(list(listed.items())[:MAX_LISTED])}


def _rare_classes(manifest):
    """List the classes that cannot be split, or of which a test part holds next to nothing."""
    groups, rare = manifest.frame.groupby("label")["group"].nunique(), []
    for name, count in manifest.counts_by_class().items():
        num_groups = int(groups.get(name, 0))
        if not count:
            reason = "nothing can be trained with these data; they can be evaluated"
        elif num_groups < LEAST_GROUPS:
            reason = f"{num_groups} groups cannot be divided among training, validation and test"
        elif count < LEAST_IMAGES:
            reason = "a test part of a tenth would hold less than one image"
        else:
            continue
        rare.append({"class": name, "images": count, "groups": num_groups, "reason": reason})
    return rare


def _random_split(manifest, found, seeds):
    """Measure what a random split of single images leaks: shares of test images with a partner in training."""
    shares = {"copies": [], "groups": []}
    plain = np.concatenate([found["identical"][0], found["near-identical"][0]])
    # Whoever is identical to one of a near pair is near to the other.
    files = cluster_numbers(len(manifest), found["identical"][0])
    edges = np.unique(np.concatenate([files[plain], files[plain][:, ::-1]]), axis=0)
    groups, _ = pd.factorize(manifest.frame["group"])  # numbers, because NumPy is slow to find strings
    try:
        for seed in seeds:
            parts = split(_numbered(manifest), FRACTIONS, seed, "random")
            train, test = (parts[name].frame["row"].to_numpy() for name in ("train", "test"))
            seen = np.zeros(len(manifest), bool)
            seen[files[train]] = True
            leaked = seen.copy()
            leaked[edges[seen[edges[:, 1]], 0]] = True
            copied = leaked[files[test]]
            shares["copies"].append(float(copied.mean()))
            shares["groups"].append(float((copied | np.isin(groups[test], groups[train])).mean()))
    except ValueError as error:
        return {"fractions": list(FRACTIONS), "seeds": list(seeds), "impossible": str(error)}
    return {
        "fractions": list(FRACTIONS),
        "seeds": list(seeds),
        "shares": shares["copies"],
        "group_shares": shares["groups"],
    }


def _numbered(manifest):
    return type(manifest)(manifest.root, manifest.frame.assign(row=np.arange(len(manifest))), manifest.info)


def _compare(manifest, against, max_listed):
    """Find the images of one data set in another."""
    (rows, hashes), (other_rows, other_hashes) = _distinct(manifest), _distinct(against)
    first_row = {digest: row for row, digest in reversed(list(enumerate(against.frame["sha256"])))}
    same = np.array(
        [
            (row, first_row[digest])
            for row, digest in enumerate(manifest.frame["sha256"])
            if digest in first_row
        ],
        np.int64,
    ).reshape(-1, 2)
    near = near_identical_pairs(hashes, other_hashes)
    turned, orientations = turned_pairs(hashes, other_hashes)
    turned, orientations = _without(turned, orientations, near, len(other_rows))
    notes = _distances(near, hashes, other_hashes)
    near = np.stack([rows[near[:, 0]], other_rows[near[:, 1]]], axis=1)
    digests = manifest.frame["sha256"].to_numpy()[near[:, 0]], against.frame["sha256"].to_numpy()[near[:, 1]]
    other_file = np.flatnonzero(digests[0] != digests[1])
    found = {
        "identical": (same, [{}] * len(same)),
        "near-identical": (near[other_file], [notes[k] for k in other_file]),
        "turned or mirrored": (
            np.stack([rows[turned[:, 0]], other_rows[turned[:, 1]]], axis=1),
            [{"orientation": ORIENTATIONS[n]} for n in orientations],
        ),
    }
    sha256 = manifest.frame["sha256"]
    met = {kind: sha256.isin(set(sha256.iloc[pairs[:, 0]])) for kind, (pairs, _) in found.items()}
    return {
        "data": _describe(against),
        "same_preparation": manifest.info.get("preparation") == against.info.get("preparation"),
        "shares": {kind: float(rows.mean()) for kind, rows in met.items()},
        "pairs": {kind: _listed(manifest, against, *found[kind], max_listed) for kind in KINDS},
    }


def describe_audit(result):
    """Put an audit into words, a few dozen lines.

    Args:
        result: what `audit` returned.

    Returns:
        str.
    """
    data = result["data"]
    lines = [f"{data['title']}: {data['images']} images, {data['groups']} groups{_synthetic(data)}"]
    lines += [
        f"  {name:<20}{counts['images']:>8} images{counts['groups']:>8} groups"
        for name, counts in data["classes"].items()
    ]
    for part, counts in data["parts"].items():
        lines.append(f"  in {part}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    lines.append("  sizes: " + ", ".join(f"{size} ({count})" for size, count in data["sizes"].items()))
    lines += _describe_pairs(result["pairs"])
    torn = result["torn_groups"]
    if data["parts"]:
        lines.append(f"groups in several parts as distributed: {torn['groups']}, of {torn['images']} images")
    for rare in result["rare_classes"]:
        lines.append(f"rare class {rare['class']}: {rare['images']} images; {rare['reason']}")
    lines += _describe_random_split(result["random_split"])
    if result["against"] is not None:
        lines += ["", *_describe_comparison(result["against"])]
    return "\n".join(lines)


def _synthetic(data):
    return "; synthetic" if data["phantom"] else ""


def _describe_pairs(pairs, num_shown=3):
    lines = []
    for kind, found in pairs.items():
        lines.append(
            f"{kind}: {found['pairs']} pairs, {found['conflicting']} with conflicting labels, "
            f"{found['across_parts']} across parts"
        )
        for pair in found["listed"][:num_shown]:
            first, second = (f"{pair[side]['path']} ({pair[side]['label']})" for side in ("first", "second"))
            lines.append(f"  {first}, {second}{', ' + pair['orientation'] if 'orientation' in pair else ''}")
        if found["pairs"] > num_shown:
            lines.append(f"  ... and {found['pairs'] - num_shown} more")
    return lines


def _describe_random_split(split_):
    if "impossible" in split_:
        return [f"a random split is impossible: {split_['impossible']}"]
    shares, groups = np.array(split_["shares"]), np.array(split_["group_shares"])
    return [
        f"test images with a copy in training under a random 80/10/10 split of single images, {len(shares)} seeds: "
        f"{shares.mean():.1%} ({shares.min():.1%} to {shares.max():.1%}); with a copy, or another image of their "
        f"group: {groups.mean():.1%}"
    ]


def _describe_comparison(against):
    lines = [
        f"against {against['data']['title']}, {against['data']['images']} images{_synthetic(against['data'])}:"
    ]
    if not against["same_preparation"]:
        lines.append("  prepared with other options: near-identical images may be missed")
    lines += [
        f"  images with a partner there, {kind}: {share:.1%}" for kind, share in against["shares"].items()
    ]
    return lines + [f"  {line}" for line in _describe_pairs(against["pairs"])]
