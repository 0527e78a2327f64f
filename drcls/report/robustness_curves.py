"""Accuracy against the severity of a corruption."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import finish, legend_label, plain
from drcls.report.run_set import describe

_COLUMNS = 4
# More models than the palette of the other figures has colours: Okabe and Ito's in full, then dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c00")


def robustness_curves(path, runs, measured, title):
    """Draw one panel a corruption, one line a model, severity 0 being the clean images.

    Args:
        path: PNG file to write.
        runs: runs of `read_runs`, one a model.
        measured: list of dict from `drcls.robustness.measure_robustness`, one for each run.
        title: what the figure shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    names = list(measured[0]["corrupted"])
    lines = -(-len(names) // _COLUMNS)
    canvas = Canvas(figsize=(3 * _COLUMNS, 2.6 * lines + 1.2), layout="constrained")
    panels = canvas.subplots(lines, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        for index, (run, values) in enumerate(zip(runs, measured, strict=True)):
            accuracies = 100 * np.array([values["clean"], *values["corrupted"][name]])
            style = "-" if index < len(_COLOURS) else "--"
            colour = _COLOURS[index % len(_COLOURS)]
            label = legend_label(run["variant"])
            panel.plot(accuracies, style, color=colour, marker="o", ms=2.5, lw=1.2, label=label)
        panel.set_title(name, fontsize=10)
        panel.set(xlabel="severity", ylim=(0, 101), xticks=range(6))
        panel.grid(alpha=0.3)
        plain(panel)
    for panel in panels[::_COLUMNS]:
        panel.set_ylabel("accuracy (%)")
    for panel in panels[len(names) :]:
        panel.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    numbers = sorted({values["num_images"] for values in measured})
    caption = (
        f"The same {', '.join(map(str, numbers))} test images for every model; severity 0 is uncorrupted."
    )
    alt = f"Accuracy against severity under {', '.join(names)}."
    return finish(canvas, path, title, describe(runs), caption, alt)
