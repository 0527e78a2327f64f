"""Reported and measured values of several models as bars."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import ASIDE, COLOURS, finish, plain
from drcls.report.run_set import describe, seed_spread
from drcls.report.tables import (
    HEADS,
    NOT_REPORTED,
    NOT_RUN,
    PROTOCOLS,
    UNFINISHED,
    check_one_setting,
    model_order,
)
from drcls.report.text import kind_of_images

_PRINTED = "#9a9a9a"  # grey for the printed figures, which are nobody's measurement here


def bar_chart(path, runs, published_rows, measures, title):
    """Draw every measure of every model: printed, and ours by protocol (Figures 5 and 7 of CheXNet-CBAM).

    Args:
        path: PNG file to write.
        runs: runs of one data set and profile; may lack models, which are then marked "not run".
        published_rows: list of dict, one per model, as for `results_table`.
        measures: list of `Measure`, one panel each.
        title: what the chart shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    check_one_setting(runs)
    models = model_order(runs, published_rows)
    published = {row["model"]: row for row in published_rows}
    label = kind_of_images(runs)
    names = ["paper", *(HEADS[protocol] + label for protocol in PROTOCOLS)]
    columns = min(2, len(measures))
    lines = -(-len(measures) // columns)
    height = 0.22 * (len(names) + 1) * len(models) * lines + 1.4
    canvas = Canvas(figsize=(5.2 * columns + 1, height), layout="constrained")
    panels = canvas.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for panel, measure in zip(panels, measures, strict=False):
        printed = [_printed_value(published.get(model), measure) for model in models]
        series = [[(value, None, "" if value is not None else NOT_REPORTED) for value in printed]]
        series += [[_measured(runs, model, protocol, measure) for model in models] for protocol in PROTOCOLS]
        _bars(panel, models, series, names, measure)
    for panel in panels[len(measures) :]:
        panel.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=len(names), frameon=False)
    caption = "Error bars are the standard deviation over seeds, where there are several."
    shown = ", ".join(measure.title for measure in measures)
    return finish(
        canvas, path, title, describe(runs), caption, f"Bar chart of {shown} for {', '.join(models)}."
    )


def _printed_value(row, measure):
    value = (row or {}).get(measure.metric)
    return value / 100 if value is not None and measure.percent else value


def _measured(runs, model, protocol, measure):
    """Return (mean, standard deviation, "") of a model, or (None, None, why there is none)."""
    part = [run for run in runs if run["variant"] == model and run["protocol"] == protocol]
    finished = [run for run in part if run["finished"]]
    if not finished:
        return None, None, UNFINISHED if part else NOT_RUN
    mean, deviation, _ = seed_spread(finished, measure.metric)
    return (None, None, "undefined") if np.isnan(mean) else (mean, deviation, "")


def _bars(panel, models, series, names, measure):
    """Draw one panel of horizontal bars; what is absent is said in words where its bar would be."""
    scale = 100 if measure.percent else 1
    thickness = 0.8 / len(series)
    for index, (values, name) in enumerate(zip(series, names, strict=True)):
        places = np.arange(len(models)) + (index - (len(series) - 1) / 2) * thickness
        widths = [scale * (value or 0) for value, _, _ in values]
        errors = [scale * (deviation or 0) for _, deviation, _ in values]
        colour = _PRINTED if index == 0 else COLOURS[(index - 1) % len(COLOURS)]
        panel.barh(places, widths, thickness * 0.92, label=name, color=colour)
        several = [i for i, (_, deviation, _) in enumerate(values) if deviation is not None]
        panel.errorbar(
            [widths[i] for i in several],
            places[several],
            xerr=[errors[i] for i in several],
            fmt="none",
            ecolor="black",
            capsize=2,
            lw=1,
        )
        for place, width, error, (value, _, why) in zip(places, widths, errors, values, strict=True):
            text = why or measure.format([value])
            end = max(width, 0) + error + 0.012 * scale
            panel.text(end, place, text, va="center", fontsize=8, color=ASIDE if why else "black")
    panel.set_yticks(range(len(models)), models)
    panel.set_ylim(len(models) - 0.5, -0.5)
    panel.set_xlim(
        min(0, *(scale * (value or 0) for values in series for value, _, _ in values)), 1.16 * scale
    )
    panel.set_xticks([0, 0.25 * scale, 0.5 * scale, 0.75 * scale, scale])
    panel.set_title(measure.title, fontsize=10)
    plain(panel)
