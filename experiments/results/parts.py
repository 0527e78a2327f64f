"""What CBAM, DropBlock and the Transformer encoder change on the same backbone: paired differences in accuracy."""

import numpy as np
from scipy import stats

from drcls.metrics import group_bootstrap_difference
from drcls.metrics.confusion import accuracy
from experiments.results.predictions import load
from experiments.results.tables import markdown

BACKBONE = "EfficientNetLite0"
PARTS = {
    "_CBAM": "CBAM",
    "_CBAM_DropBlock": "CBAM and DropBlock",
    "_Transformer": "the Transformer encoder",
    "_CBAM_DropBlock_Transformer": "all three",
}
PROTOCOLS = {"paper": "the paper's", "clean": "clean"}


def parts_table(results):
    """Return the Markdown table of what each part changes against the backbone alone, in points of accuracy.

    Args:
        results: Path of the folder with the committed files.

    Raises:
        ValueError: where rows of one table line were tested on different images.
    """
    rows = []
    for protocol, named in PROTOCOLS.items():
        for suffix, parts in PARTS.items():
            pairs = paired_runs(results, protocol, suffix)
            if pairs:
                rows.append({"protocol": named, "added": parts} | difference_cells(pairs))
    return markdown(rows)


def paired_runs(results, protocol, suffix):
    """Return the predictions of the seeds that ran both rows: dict, seed -> (without, with the parts)."""
    pairs = {}
    for path in sorted(results.glob(f"chexnet_cbam/aptos2019-{protocol}-short-s*/{BACKBONE}{suffix}.npz")):
        plain = path.with_name(f"{BACKBONE}.npz")
        if plain.is_file():
            pairs[int(path.parent.name.rpartition("-s")[2])] = load(plain), load(path)
    runs = [run for pair in pairs.values() for run in pair]
    for name in ("labels", "groups"):
        if not all(np.array_equal(getattr(run, name), getattr(runs[0], name)) for run in runs):
            raise ValueError(
                f"{BACKBONE} and {BACKBONE}{suffix} ({protocol}) have other {name} in one run than in another; "
                "run all seeds of both rows on one split"
            )
    return pairs


def difference_cells(pairs):
    """Return the cells of a row: accuracies, answers that became right or wrong, the difference and its intervals.

    Args:
        pairs: dict, seed -> (`Predictions` without, `Predictions` with the parts), all of the same images.
    """
    plain, changed = zip(*pairs.values(), strict=True)
    labels, groups, before = (joined(plain, name) for name in ("labels", "groups", "predicted"))
    after = joined(changed, "predicted")
    was_right, is_right = before == labels, after == labels
    num_classes = plain[0].probabilities.shape[1]
    points, low, high = (
        100 * value
        for value in group_bootstrap_difference(accuracy, labels, before, after, groups, num_classes)
    )
    by_seed = 100 * (shares_right(changed) - shares_right(plain))
    return {
        "accuracy % without, with": f"{100 * was_right.mean():.1f}, {100 * is_right.mean():.1f}",
        "answers that became right, wrong": f"{(is_right & ~was_right).sum()}, {(was_right & ~is_right).sum()}",
        "difference in points, 95 % interval over images": f"{points:+.1f} ({low:+.1f} to {high:+.1f})",
        "by seed": ", ".join(f"{one:+.1f}" for one in by_seed),
        "95 % interval over seeds": over_seeds(by_seed),
        "seeds": ", ".join(str(seed) for seed in pairs),
    }


def joined(runs, name):
    """Return one array of all runs, one after the other; images of one group keep one number in all of them."""
    return np.concatenate([getattr(run, name) for run in runs])


def shares_right(runs):
    """Return the share of test images that each run gets right: float (S,)."""
    return np.array([(run.predicted == run.labels).mean() for run in runs])


def over_seeds(by_seed):
    """Return the 95 % t interval over seeds; one seed has none, nor have seeds that do not differ."""
    if len(by_seed) < 2:
        return "one seed"
    if np.ptp(by_seed) == 0:
        return "no spread"
    low, high = stats.t.interval(0.95, len(by_seed) - 1, np.mean(by_seed), stats.sem(by_seed))
    return f"{low:+.1f} to {high:+.1f}"
