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
        if not plain.is_file():
            continue
        pair = load(plain), load(path)
        if not np.array_equal(pair[0].labels, pair[1].labels):
            raise ValueError(f"{plain} and {path} are of other test images; run both rows on one split")
        pairs[int(path.parent.name.rpartition("-s")[2])] = pair
    return pairs


def difference_cells(pairs):
    """Return the cells of a row: accuracies, answers that became right or wrong, the difference and its intervals."""

    def all_seeds(side, name):
        return np.concatenate([getattr(pair[side], name) for pair in pairs.values()])

    labels, groups, before, after = (
        all_seeds(*cell) for cell in ((0, "labels"), (0, "groups"), (0, "predicted"), (1, "predicted"))
    )
    was_right, is_right = before == labels, after == labels
    num_classes = next(iter(pairs.values()))[0].probabilities.shape[1]
    points, low, high = (
        100 * value
        for value in group_bootstrap_difference(accuracy, labels, before, after, groups, num_classes)
    )
    by_seed = 100 * (right_shares(pairs, 1) - right_shares(pairs, 0))
    return {
        "accuracy % without, with": f"{100 * was_right.mean():.1f}, {100 * is_right.mean():.1f}",
        "answers that became right, wrong": f"{(is_right & ~was_right).sum()}, {(was_right & ~is_right).sum()}",
        "difference in points, 95 % interval over images": f"{points:+.1f} ({low:+.1f} to {high:+.1f})",
        "by seed": ", ".join(f"{one:+.1f}" for one in by_seed),
        "95 % interval over seeds": over_seeds(by_seed),
        "seeds": ", ".join(str(seed) for seed in pairs),
    }


def right_shares(pairs, side):
    """Return for each seed the share of test images that one side of the pairs gets right: float (S,)."""
    return np.array([(pair[side].predicted == pair[side].labels).mean() for pair in pairs.values()])


def over_seeds(by_seed):
    """Return the 95 % t interval over seeds, which one seed does not have."""
    if len(by_seed) < 2:
        return "one seed"
    low, high = stats.t.interval(0.95, len(by_seed) - 1, np.mean(by_seed), stats.sem(by_seed))
    return f"{low:+.1f} to {high:+.1f}"
