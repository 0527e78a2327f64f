"""What each part of a network or of its training changes, all else alike: paired differences in two measures."""

from dataclasses import dataclass

import numpy as np

from drcls.metrics import group_bootstrap_difference
from drcls.metrics.confusion import accuracy, confusion_matrix, macro_f1, macro_recall
from drcls.report import difference, interval_over_seeds
from experiments.results.markdown import markdown
from experiments.results.predictions import load


@dataclass(frozen=True)
class Part:
    """A part of a network, and the two rows that differ in it alone.

    Args:
        what: the part, as the table calls it.
        absent, present: names of the rows that lack and have it.
        data, profile: str, of both rows.
    """

    what: str
    absent: str
    present: str
    data: str = "aptos2019"
    profile: str = "short"


PARTS = {
    "chexnet_cbam": [
        Part("CBAM", "EfficientNetLite0", "EfficientNetLite0_CBAM"),
        Part("CBAM and DropBlock", "EfficientNetLite0", "EfficientNetLite0_CBAM_DropBlock"),
        Part("the Transformer encoder", "EfficientNetLite0", "EfficientNetLite0_Transformer"),
        Part("all three", "EfficientNetLite0", "EfficientNetLite0_CBAM_DropBlock_Transformer"),
        Part(
            "no part, but 15 instead of 7 epochs, both with all three parts",
            "EfficientNetLite0_CBAM_DropBlock_Transformer",
            "EfficientNetLite0_CBAM_DropBlock_Transformer_15_epochs",
        ),
        Part("no part, but images of 160 instead of 128 px", "EfficientNetLite0", "EfficientNetLite0_160_px"),
    ],
    "multiscale_attention": [
        Part("squeeze and excitation", "without_squeeze_excitation", "MultiScaleAttention"),
        Part("the wavelets", "without_wavelet", "MultiScaleAttention"),
        Part("the attention at three scales", "without_attention", "MultiScaleAttention"),
        Part("the attention, with pre-norm encoders", "without_attention", "norm_first"),
        Part("the balanced softmax", "without_balanced_softmax", "MultiScaleAttention"),
        Part(
            "the balanced softmax, with pre-norm encoders",
            "norm_first_without_balanced_softmax",
            "norm_first",
        ),
        Part(
            "the balanced softmax, on an ImageNet network",
            "pretrained_without_balanced_softmax",
            "pretrained",
        ),
        Part("a quarter of the weights", "MultiScaleAttention", "lightweight"),
        Part("pre-norm instead of post-norm encoders", "MultiScaleAttention", "norm_first"),
        Part(
            "pre-norm instead of post-norm encoders, without the balanced softmax",
            "without_balanced_softmax",
            "norm_first_without_balanced_softmax",
        ),
    ],
    "canine_rbc_focal": [
        Part(
            f"focal loss, alpha {alpha}, instead of cross-entropy",
            "tiny_densenet+cross_entropy",
            f"tiny_densenet+focal_{alpha}",
            "chula_rbc",
            "long",
        )
        for alpha in ("0.25", "1.50", "1.75")
    ],
}
PROTOCOLS = {"paper": "the paper's", "clean": "clean"}
# The poster reports macro recall beside accuracy; the balanced softmax is meant to raise it.
MACRO = {"multiscale_attention": ("macro recall", macro_recall)}


def parts_table(results, experiment):
    """Return the Markdown table of what each part changes, in points of accuracy and of macro F1 or recall.

    Args:
        results: Path of the folder with the committed files.
        experiment: str, a key of `PARTS`.

    Raises:
        ValueError: where rows of one table line were tested on different images.
    """
    rows, macro = [], MACRO.get(experiment, ("macro F1", macro_f1))
    for protocol, named in PROTOCOLS.items():
        for part in PARTS[experiment]:
            pairs = paired_runs(results / experiment, protocol, part)
            if pairs:
                rows.append({"protocol": named, "part": part.what} | difference_cells(pairs, *macro))
    return markdown(rows)


def paired_runs(results, protocol, part):
    """Return the predictions of the seeds that ran both rows: dict, seed -> (without, with the part)."""
    pairs = {}
    for path in sorted(results.glob(f"{part.data}-{protocol}-{part.profile}-s*/{part.present}.npz")):
        plain = path.with_name(f"{part.absent}.npz")
        if plain.is_file():
            pairs[int(path.parent.name.rpartition("-s")[2])] = load(plain), load(path)
    runs = [run for pair in pairs.values() for run in pair]
    for name in ("labels", "groups"):
        if not all(np.array_equal(getattr(run, name), getattr(runs[0], name)) for run in runs):
            raise ValueError(
                f"{part.absent} and {part.present} ({protocol}) have other {name} in one run than in another; "
                "run all seeds of both rows on one split"
            )
    return pairs


def difference_cells(pairs, macro_name, macro):
    """Return the cells of a row: accuracies, answers that became right or wrong, the differences and their intervals.

    Args:
        pairs: dict, seed -> (`Predictions` without, `Predictions` with the part), all of the same images.
        macro_name: str, what `macro` is called.
        macro: callable, the second measure of a confusion matrix, such as `macro_f1`.
    """
    plain, changed = zip(*pairs.values(), strict=True)
    labels, groups, before = (joined(plain, name) for name in ("labels", "groups", "predicted"))
    after = joined(changed, "predicted")
    was_right, is_right = before == labels, after == labels
    num_classes = plain[0].probabilities.shape[1]
    changes = []
    for measure in (accuracy, macro):
        change, *bounds = group_bootstrap_difference(measure, labels, before, after, groups, num_classes)
        changes.append(difference({"difference": change, "interval": bounds}, 100, 1))
    by_seed, macro_by_seed = (
        100 * np.array([measure_of(b, measure) - measure_of(a, measure) for a, b in pairs.values()])
        for measure in (accuracy, macro)
    )
    return {
        "accuracy % without, with": f"{100 * was_right.mean():.1f}, {100 * is_right.mean():.1f}",
        "answers that became right, wrong": f"{(is_right & ~was_right).sum()}, {(was_right & ~is_right).sum()}",
        "difference in points, 95 % interval over groups of images": changes[0],
        "by seed": ", ".join(f"{one:+.1f}" for one in by_seed),
        "95 % interval over seeds": interval_over_seeds(by_seed),
        f"{macro_name}: difference in points, over groups of images": changes[1],
        f"{macro_name}: 95 % interval over seeds": interval_over_seeds(macro_by_seed),
        "seeds": ", ".join(str(seed) for seed in pairs),
    }


def joined(runs, name):
    """Return one array of all runs, one after the other; images of one group keep one number in all of them."""
    return np.concatenate([getattr(run, name) for run in runs])


def measure_of(run, measure):
    """Return a measure of the answers of one run, such as `accuracy`."""
    return measure(confusion_matrix(run.labels, run.predicted, run.probabilities.shape[1]))
