"""How far the confidence of a classifier is to be believed."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import COLOURS, finish, plain
from drcls.report.run_set import describe

_CHANCE = "#9a9a9a"


def reliability_diagram(path, run, title):
    """Draw how often the predicted class is right over how confident it is, with the images of each bin below.

    Args:
        path: PNG file to write.
        run: a run of `read_runs` that holds `reliability`, a list of bins with `low`, `high`, `num`, `confidence`,
            `right` and `wilson`.
        title: what the figure shows.

    Returns:
        Figure: path, caption and alternative text.

    Reference: Guo et al., 2017, Figure 1.
    """
    bins = run["reliability"]
    confidence, right = (np.array([row[name] for row in bins]) for name in ("confidence", "right"))
    errors = np.abs(np.array([row["wilson"] for row in bins]).T - right)
    canvas = Canvas(figsize=(5.6, 6.4), layout="constrained")
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color=_CHANCE, ls=":", label="confidence equals share right")
    upper.errorbar(confidence, right, yerr=errors, fmt="o-", color=COLOURS[1], capsize=3, label="measured")
    upper.set(ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(fontsize=8, frameon=False, loc="upper left")
    lows, widths = [row["low"] for row in bins], [row["high"] - row["low"] for row in bins]
    lower.bar(lows, [row["num"] for row in bins], widths, align="edge", color=COLOURS[1], edgecolor="white")
    lower.set(xlabel="confidence in the predicted class", ylabel="images")
    for panel in (upper, lower):
        panel.grid(alpha=0.3)
        plain(panel)
    told = "; ".join(f"{row['confidence']:.2f}: {row['right']:.2f} of {row['num']}" for row in bins)
    caption = "Bars are Wilson's 95 % intervals of the share of images whose predicted class is right."
    return finish(canvas, path, title, describe([run]), caption, f"Share right by mean confidence: {told}.")
