"""Balancing by copies before the split: how much of the test part is then in the training part too."""

import numpy as np

from drcls.check_tables.document import place_of
from drcls.check_tables.finding import agreement, inconsistent, note

SIMULATIONS = 20


def leaked_share(count, size, train_share):
    """Expected share of a class's test images that have a copy in train, drawn up from `count` to `size`.

    Every image stands once and size - count draws with replacement are added; the split then puts each entry into
    train with `train_share`. An entry's original has K other copies; it is not leaked if all of them, and the
    original where the entry is a draw, miss train. With q = 1 - train_share / count for one draw missing:

    1 - [count q^d + (1 - train_share) d q^(d - 1)] / size, d = size - count.

    Example:
        >>> round(leaked_share(370, 1805, 0.8), 3)
        0.984
    """
    draws, q = size - count, 1 - train_share / count
    missed = count * q**draws + ((1 - train_share) * draws * q ** (draws - 1) if draws else 0)
    return 1 - missed / size


def simulated_leak(counts, size, split, rng):
    """The same by doing it: shares of the test images with a copy in train, by class: floats (C,), NaN without any."""
    entries, labels = [], np.repeat(np.arange(len(counts)), size)
    for label, count in enumerate(counts):
        copies = np.concatenate([np.arange(count), rng.integers(count, size=size - count)])
        entries.append(label * size + copies)
    order = rng.permutation(len(labels))
    entries, labels = np.concatenate(entries)[order], labels[order]
    test, train = slice(len(labels) - split["test"], None), slice(0, split["train"])
    leaked = np.isin(entries[test], entries[train])
    tested, copied = (
        np.bincount(part, minlength=len(counts)) for part in (labels[test], labels[test][leaked])
    )
    return np.divide(copied, tested, out=np.full(len(counts), np.nan), where=tested > 0)


def copies_across_the_split(document):
    """Data sets with `balanced_before_split`: leak by formula and simulation, and what a dictionary scores.

    The dictionary answers a training file's label for each test file that is in train, and the largest class for the
    others. Rows of the data set that report less are named. The class weights N / (C n_c) are all 1 afterwards.
    Where `per_class` is below the largest class, copies alone do not give it: `balanced_total` says so, and nothing
    is computed from it here.
    """
    findings = []
    for name, data in document.datasets.items():
        if not data.get("balanced_before_split"):
            continue
        counts, size = document.counts(data["class_counts"]), data["balanced"]["per_class"]
        if size < max(counts):
            continue
        split = data["split"]
        train_share = split["train"] / sum(split.values())
        leaks = np.array([leaked_share(count, size, train_share) for count in counts])
        runs = [
            simulated_leak(counts, size, split, np.random.default_rng(seed)) for seed in range(SIMULATIONS)
        ]
        simulated, place = np.nanmean(runs, axis=0), place_of("datasets", name, "split", "test")
        listed = ", ".join(f"{100 * leak:.1f}" for leak in leaks)
        arithmetic = (
            f"Balancing precedes the split: {100 * leaks.mean():.1f} % of the test images have a copy in train "
            f"({listed} % by class; {100 * simulated.mean():.1f} % in {SIMULATIONS} simulated splits)."
        )
        findings.append(inconsistent("copies_across_the_split", [place], arithmetic, severity="warning"))
        largest = int(np.argmax(counts))
        dictionary = np.mean(np.where(np.arange(len(counts)) == largest, 1, leaks))
        findings.append(_dictionary(document, name, dictionary))
        arithmetic = (
            f"After balancing n_c = {size} in every class, so N / (C n_c) = 1: the weights do nothing."
        )
        findings.append(
            note("class_weights", [place_of("datasets", name, "balanced", "per_class")], arithmetic)
        )
        findings += _unseen_recalls(document, name, counts, leaks)
        findings += _claims(document, name, leaks.mean())
    return findings


def _claims(document, name, leaked):
    """Claims of kind "held_out" (the test part is apart from train) and "weighted_loss" (weights differ)."""
    said = {
        "held_out": f"{100 * leaked:.1f} % of the test images have a copy in train.",
        "weighted_loss": "The classes are even after balancing, so all weights N / (C n_c) are 1.",
    }
    findings = []
    for index, claim in enumerate(document.claims):
        test = claim.get("test", {})
        if test.get("kind") in said and test["dataset"] == name:
            arithmetic = said[test["kind"]]
            findings.append(agreement(f"claim_{test['kind']}", [f"/claims/{index}"], False, arithmetic))
    return findings


def _dictionary(document, name, dictionary):
    rows = [
        (place, row)
        for place, table, row in document.rows("model", "macro_f1")
        if table.get("dataset") == name
    ]
    rows = [(place, row, document.share(f"{place}/accuracy")[0]) for place, row in rows if "accuracy" in row]
    below = [(f"{place}/accuracy", row["model"]) for place, row, share in rows if share < dictionary]
    best = max((share for *_, share in rows), default=None)
    arithmetic = f"A dictionary of the training files scores {100 * dictionary:.1f} % on {name}"
    if below:
        arithmetic += f", above {', '.join(model for _, model in below)}"
    if best is not None and best > dictionary:
        arithmetic += f"; the best row adds {100 * (best - dictionary):.1f} points to it"
    return note(
        "dictionary",
        [cell for cell, _ in below] or [place_of("datasets", name, "split", "test")],
        arithmetic + ".",
    )


def _unseen_recalls(document, name, counts, leaks):
    """Recall on images without a copy in train, if those with one are right at a rate of 0.95 to 1."""
    findings = []
    for place, table, row in document.rows("class", "recall"):
        classes = document.content.get("classes", [])
        if table.get("dataset") != name or row["class"] not in classes:
            continue
        leak, (recall, _) = leaks[classes.index(row["class"])], document.share(f"{place}/recall")
        low, high = (recall - leak) / (1 - leak), (recall - 0.95 * leak) / (1 - leak)
        if 0.05 < leak < 0.95 and low >= 0 and high <= 1:
            arithmetic = (
                f"{100 * leak:.0f} % of {row['class']} is leaked; if those are right at 0.95 to 1, the unseen are "
                f"found at {low:.2f} to {high:.2f}, not {recall:.2f}."
            )
            findings.append(note("unseen_recall", [f"{place}/recall"], arithmetic))
    return findings
