"""What an outlier search removed, and on what grounds."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import COLOURS, data_label, finish, plain

_COLUMNS = 10


def outlier_figure(path, scores, threshold, injected, images, info, title):
    """Draw the scores with the threshold above images drawn from each outcome.

    Args:
        path: PNG file to write.
        scores: float (N,), anomaly scores.
        threshold: float; images above it were removed.
        injected: bool (N,), which were injected; None where nobody knows.
        images: uint8 (N, H, W, 3), RGB, memory-mapped or not.
        info: `dataset.json` of the data set.
        title: what the figure shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    removed = scores > threshold
    outcomes = {"removed": removed}
    if injected is not None:
        outcomes = {
            "injected and removed": injected & removed,
            "genuine but removed": ~injected & removed,
            "injected but kept": injected & ~removed,
        }
    canvas = Canvas(figsize=(11, 3.2 + 1.25 * len(outcomes)), layout="constrained")
    above, below = canvas.subfigures(2, height_ratios=[3, 1.25 * len(outcomes)])
    _histogram(above.subplots(), scores, threshold, injected)
    rng = np.random.default_rng(0)
    panels = below.subplots(len(outcomes), _COLUMNS, squeeze=False)
    for line, (name, rows) in zip(panels, outcomes.items(), strict=True):
        chosen = rng.permutation(np.flatnonzero(rows))[:_COLUMNS]
        line[0].set_title(f"{name}: {int(rows.sum()):,}", loc="left", fontsize=9)
        for panel in line:
            panel.set_axis_off()
        for panel, row in zip(line, chosen, strict=False):
            panel.imshow(images[row])
    caption = (
        "Above: anomaly scores of the isolation forest; what lies right of the line was removed. Below: "
    )
    caption += "images drawn at random from each outcome."
    alt = f"Histogram of anomaly scores and example images: {', '.join(outcomes)}."
    return finish(canvas, path, title, data_label(info), caption, alt)


def _histogram(panel, scores, threshold, injected):
    bins = np.linspace(scores.min(), scores.max(), 60)
    parts = (
        {"images": scores}
        if injected is None
        else {"genuine": scores[~injected], "injected": scores[injected]}
    )
    panel.hist(
        list(parts.values()), bins, stacked=True, label=list(parts), color=COLOURS[1::-1][: len(parts)]
    )
    panel.axvline(threshold, color="black", ls="--", label=f"threshold {threshold:.3f}")
    panel.set(xlabel="anomaly score", ylabel="images")
    panel.legend(frameon=False, fontsize=8)
    plain(panel)
