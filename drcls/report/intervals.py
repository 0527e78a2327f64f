"""The intervals of accuracies: the reported ones checked, and ours with paired differences to a reference."""

import pandas as pd

from drcls.metrics import wald_interval
from drcls.report.paired import p_over_seeds, right_by_image
from drcls.report.run_set import read_predictions
from drcls.report.tables import NOT_RUN, UNFINISHED, check_one_setting, model_order
from drcls.report.text import interval, listing, mean_sd, p_value


def reported_intervals_table(published_rows, num_test):
    """Check reported intervals by their own formula (Tables 8 and 9 of CheXNet-CBAM).

    Args:
        published_rows: list of dict, one per model: `model`, `accuracy` in percent, `interval` [low, high].
        num_test: how many test images the paper's protocol gives.

    Returns:
        pandas.DataFrame of text: model, the reported accuracy and interval, what Eq. 25 (Wald) gives at that many
        test images, and the number of test images that the reported width implies.
    """
    rows = []
    for row in published_rows:
        accuracy, (low, high) = row["accuracy"] / 100, row["interval"]
        half = (high - low) / 200
        implied = f"{1.96**2 * accuracy * (1 - accuracy) / half**2:.0f}" if half else "none: it has no width"
        rows.append(
            {
                "model": row["model"],
                "reported accuracy (%)": f"{row['accuracy']:.2f}",
                "reported 95 % interval": f"{low:.2f} to {high:.2f}",
                f"Eq. 25 at N = {num_test:,}": interval(wald_interval(accuracy, num_test), digits=2),
                "N that the reported interval implies": implied,
            }
        )
    return pd.DataFrame(rows)


def intervals_table(runs, reference):
    """List the accuracy of every run with its intervals, compared with a reference model.

    The intervals come from the run: Wald, Wilson, and the bootstrap over groups, which alone counts copies of one
    image as one. The difference to the reference model is tested on the same test images, seed by seed and over
    all seeds (`p_over_seeds`), where the images of a group count together.

    Args:
        runs: runs of one data set, profile and protocol.
        reference: the model that the others are compared with.

    Returns:
        pandas.DataFrame of text, one row per model and seed, and one for all seeds where there are several.

    Raises:
        ValueError: where the runs mix data sets, profiles or protocols.
    """
    check_one_setting(runs, "protocol")
    by_seed = {run["seed"]: run for run in runs if run["variant"] == reference}
    rows = []
    for model in model_order(runs, []):
        seeds = [run for run in runs if run["variant"] == model]
        rows += [{"model": model} | _interval_row(run, by_seed.get(run["seed"]), reference) for run in seeds]
        finished = [run for run in seeds if run["finished"]]
        if len(finished) > 1:
            rows.append({"model": model} | _interval_row_of_seeds(finished, by_seed, reference))
    return pd.DataFrame(rows)


def _interval_row(run, reference_run, reference):
    """Return one run's accuracy, its intervals, and the paired difference to the reference of the same seed."""
    heads = _interval_heads(reference)
    if not run["finished"]:
        return dict.fromkeys(heads, UNFINISHED) | {"seed": str(run["seed"])}
    bounds = run["intervals"]["accuracy"]
    cells = [str(run["seed"]), f"{run['num_test']:,}", f"{100 * run['metrics']['accuracy']:.2f}"]
    cells += [interval(bounds[kind]) for kind in ("wald", "wilson", "bootstrap")]
    return dict(zip(heads, (*cells, *_compare([run], {run["seed"]: reference_run}, reference)), strict=True))


def _interval_row_of_seeds(seeds, by_seed, reference):
    """Return the mean accuracy of several seeds and their paired difference to the reference."""
    numbers = sorted({run["num_test"] for run in seeds})
    cells = ["all", " to ".join(f"{number:,}" for number in dict.fromkeys([numbers[0], numbers[-1]]))]
    cells += [mean_sd([run["metrics"]["accuracy"] for run in seeds], 100, 2)]
    cells += ["by seed"] * 3
    return dict(zip(_interval_heads(reference), (*cells, *_compare(seeds, by_seed, reference)), strict=True))


def _interval_heads(reference):
    compared = (f"difference to {reference} (points)", "paired exact p")
    return ("seed", "N", "accuracy (%)", "Wald", "Wilson", "bootstrap over groups", *compared)


def _compare(seeds, by_seed, reference):
    """Return the difference in accuracy to the reference in points, and the p-value of all given seeds, as text."""
    if seeds[0]["variant"] == reference:
        return "reference", "reference"
    pairs = [(by_seed.get(run["seed"]), run) for run in seeds]
    both = [(one, run) for one, run in pairs if one is not None and one["finished"]]
    if not both:
        return (f"reference {NOT_RUN if pairs[0][0] is None else UNFINISHED}",) * 2
    pairs, partial = both, len(both) < len(pairs)
    right = [tuple(right_by_image(read_predictions(run)) for run in pair) for pair in pairs]
    if not all(one.index.equals(other.index) for one, other in right):
        return ("different test images",) * 2
    differences = [run["metrics"]["accuracy"] - one["metrics"]["accuracy"] for one, run in pairs]
    of_seeds = f", seed{'s' * (len(pairs) > 1)} {listing(run['seed'] for _, run in pairs)}" if partial else ""
    return mean_sd(differences, 100, 2, "+") + of_seeds, p_value(p_over_seeds(right))
