"""The three kinds of figure on the results page: grouped bars, ranges and lines, small enough to be committed.

With the colours, headings and the sentence that the figures of all papers share.
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

PAPER, OURS, CLEAN = "#8a8f98", "#d55e00", "#0072b2"  # grey, and two of Okabe and Ito's palette
MORE = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_WIDTH, _DPI = 5.0, 110

PROTOCOLS = ("paper", "clean")
HEADS = ["paper", "ours, paper's protocol", "ours, leak-free"]
COLOURS = [PAPER, OURS, CLEAN]
SEEDS = "Error bars are the standard deviation over seeds."


def bars(path, groups, series, title, x_title, colours):
    """Draw horizontal bars in groups, each with its number.

    Args:
        path: PNG file to write.
        groups: list of str, top to bottom.
        series: dict from a name to one sequence of numbers per group: the values over seeds, drawn as their mean with
            the standard deviation as error bar; an empty sequence draws nothing.
        title: what the figure shows.
        x_title: the measure and its unit.
        colours: one per series.

    Returns:
        dict from a series' name to its drawn numbers: the mean of each group, None where nothing is drawn.
    """
    height = 1.5 + 0.2 * len(groups) * (len(series) + 0.8)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axis = figure.subplots()
    thickness = 0.84 / len(series)
    for index, (values, colour) in enumerate(zip(series.values(), colours, strict=True)):
        for group, numbers in enumerate(values):
            if not len(numbers):
                continue
            mean, place = np.mean(numbers), group + (index - (len(series) - 1) / 2) * thickness
            deviation = np.std(numbers, ddof=1) if len(numbers) > 1 else 0
            axis.barh(place, mean, thickness * 0.9, color=colour, xerr=deviation or None, ecolor="black")
            end = mean + np.copysign(deviation, mean)
            side = dict(ha="left" if mean >= 0 else "right", xytext=(3 if mean >= 0 else -3, 0))
            axis.annotate(
                f"{mean:.1f}", (end, place), textcoords="offset points", va="center", fontsize=9, **side
            )
    for name, colour in zip(series, colours, strict=True):
        axis.barh(0, 0, color=colour, label=name)
    axis.set_yticks(range(len(groups)), groups)
    axis.set_ylim(len(groups) - 0.45, -0.55)
    axis.margins(x=0.14)
    axis.axvline(0, color="black", lw=0.8)
    _finish(figure, axis, path, title, x_title)
    return {
        name: [_rounded(np.mean(numbers)) if len(numbers) else None for numbers in values]
        for name, values in series.items()
    }


def ranges(path, groups, series, title, x_title, colours):
    """Draw intervals side by side.

    Args:
        path, groups, title, x_title, colours: as for `bars`.
        series: dict from a name to one (low, high) per group.

    Returns:
        dict from a series' name to its intervals.
    """
    figure = Figure(figsize=(_WIDTH, 1.5 + 0.25 * len(groups) * len(series)), layout="constrained")
    axis = figure.subplots()
    for index, ((name, values), colour) in enumerate(zip(series.items(), colours, strict=True)):
        places = np.arange(len(groups)) + 0.3 * (index - (len(series) - 1) / 2)
        low, high = np.transpose(values)
        axis.hlines(places, low, high, color=colour, lw=5, label=name)
    axis.set_yticks(range(len(groups)), groups)
    axis.set_ylim(len(groups) - 0.45, -0.55)
    axis.grid(axis="x", alpha=0.3)
    _finish(figure, axis, path, title, x_title)
    return {name: [list(map(_rounded, bounds)) for bounds in values] for name, values in series.items()}


def lines(path, series, title, x_title, y_title, colours):
    """Draw lines; a series of several values at one place also shows their range.

    Args:
        path, title, colours: as for `bars`.
        series: dict from a name to (x, list of sequences of numbers), one sequence per place.
        x_title, y_title: the axes.

    Returns:
        dict from a series' name to the means at each place.
    """
    figure = Figure(figsize=(_WIDTH, 3.6), layout="constrained")
    axis = figure.subplots()
    for (name, (x, values)), colour in zip(series.items(), colours, strict=True):
        axis.plot(x, [np.mean(numbers) for numbers in values], color=colour, marker="o", ms=4, label=name)
        if max(map(len, values)) > 1:
            axis.fill_between(
                x, list(map(min, values)), list(map(max, values)), color=colour, alpha=0.2, lw=0
            )
    if axis.get_ylim()[0] < 0:
        axis.axhline(0, color="black", lw=0.8)
    axis.set_ylabel(y_title)
    axis.grid(alpha=0.3)
    _finish(figure, axis, path, title, x_title)
    return {name: [_rounded(np.mean(numbers)) for numbers in values] for name, (_, values) in series.items()}


def _rounded(number):
    return round(float(number), 4)


def _finish(figure, axis, path, title, x_title):
    axis.set_xlabel(x_title)
    axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, x=0.02, ha="left")
    figure.legend(
        *axis.get_legend_handles_labels(), loc="outside lower left", ncols=1, frameon=False, fontsize=10
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI, facecolor="white", metadata={"Software": None})
