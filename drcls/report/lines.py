"""Panels of lines: one figure over another, as in losses by epoch or F1 by imbalance."""

from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, NullFormatter

from drcls.report.figures import COLOURS, finish, legend_label, plain

_COLUMNS = 2
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Lines:
    """One panel.

    Args:
        title: str.
        x_title, y_title: str.
        series: dict from a name to a pair of sequences of numbers (x, y) of one length; the same name has the
            same colour in every panel.
        log_x: bool, logarithmic horizontal axis.
        baseline: float, a grey horizontal line, or None.
    """

    title: str
    x_title: str
    y_title: str
    series: dict
    log_x: bool = False
    baseline: float | None = None


def line_chart(path, panels, title, setting, caption):
    """Draw panels of lines.

    Args:
        path: PNG file to write.
        panels: list of `Lines`.
        title: what the chart shows.
        setting: str of `describe`, which names data set, protocols, profiles and seeds.
        caption: what to read in it.

    Returns:
        Figure: path, caption and alternative text.

    Raises:
        ValueError: where there is no panel, or none has a line.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.series))
    if not names:
        raise ValueError(f"{path}: a line chart needs at least one line, received {len(panels)} empty panels")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    canvas = Canvas(figsize=(5.2 * columns + 0.4, 3.4 * rows + 0.5 + 0.2 * len(names)), layout="constrained")
    axes = canvas.subplots(rows, columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        for name, (x, y) in panel.series.items():
            index = names.index(name)
            dash = _DASHES[index // len(COLOURS) % len(_DASHES)]
            style = {"color": COLOURS[index % len(COLOURS)], "marker": "o", "ms": 3, "lw": 1.6}
            axis.plot(x, y, dash, label=legend_label(name), **style)
        if panel.baseline is not None:
            axis.axhline(panel.baseline, color="#9a9a9a", lw=1, zorder=0)
        if panel.log_x:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_title(panel.title, fontsize=10, loc="left")
        axis.set(xlabel=panel.x_title, ylabel=panel.y_title)
        axis.grid(alpha=0.3)
        plain(axis)
    for axis in axes[len(panels) :]:
        axis.remove()
    handles = {
        label: handle
        for axis in axes[: len(panels)]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    canvas.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    alt = f"{', '.join(panel.title for panel in panels)}: lines of {', '.join(names)}."
    return finish(canvas, path, title, setting, caption, alt)
