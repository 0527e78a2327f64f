"""The figures of a report, as PNG files: colours that survive colour blindness, the setting in each title.

They are drawn on matplotlib's own canvas objects, never through pyplot: no window system, no global state.
"""

from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from drcls.files import atomic_path
from drcls.report.page import Figure
from drcls.report.run_set import describe, read_history
from drcls.report.tables import NOT_RUN, UNFINISHED, check_one_setting
from drcls.report.text import SYNTHETIC, synthetic_label

_DPI = 150
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")  # Okabe and Ito's palette
ASIDE = "#5d6673"
_TRAINING, _VALIDATION = "#0072b2", "#d55e00"


def confusion_matrices(path, runs, models, title):
    """Draw the confusion matrices of all models in one grid (Figures 6 and 8 of CheXNet-CBAM).

    The colour is the share of a true class, so that rare classes are seen; the number is the count of images.

    Args:
        path: PNG file to write.
        runs: runs of one data set, profile and protocol; of several seeds the lowest finished one is drawn.
        models: names in order; one without a finished run is marked.
        title: what the grid shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    check_one_setting(runs, "protocol")
    shown = {model: _first_seed(runs, model) for model in models}
    columns = min(3, len(models))
    lines = -(-len(models) // columns)
    canvas = Canvas(figsize=(3.6 * columns + 0.9, 3.7 * lines + 0.8), layout="constrained")
    panels = canvas.subplots(lines, columns, squeeze=False).ravel()
    classes = next((run["class_names"] for run in shown.values() if run), [])
    image = None
    for panel, model in zip(panels, models, strict=False):
        panel.set_title(model, fontsize=10)
        _class_axes(panel, classes)
        if shown[model] is None:
            say_why_empty(panel, _why_absent(runs, model))
        else:
            image = _matrix(panel, shown[model])
    for panel in panels[len(models) :]:
        panel.remove()
    if image is not None:
        canvas.colorbar(
            image, ax=panels[: len(models)].tolist(), shrink=0.5, aspect=35, label="share of the true class"
        )
    caption = "Rows are the true classes, columns the predicted ones; numbers are test images."
    alt = f"Confusion matrices of {', '.join(models)}."
    return finish(canvas, path, title, describe([run for run in shown.values() if run] or runs), caption, alt)


def training_curves(path, runs):
    """Draw loss and accuracy over the epochs, training against validation, one line of panels per run.

    Args:
        path: PNG file to write.
        runs: runs to draw, in order; unfinished ones are drawn as far as they came.

    Returns:
        Figure: path, caption and alternative text.

    Raises:
        ValueError: where there are no runs.
    """
    if not runs:
        raise ValueError(f"{path}: training curves need at least one run, received none")
    canvas = Canvas(figsize=(9, 2.5 * len(runs) + 1), layout="constrained")
    panels = canvas.subplots(len(runs), 2, squeeze=False)
    for (left, right), run in zip(panels, runs, strict=True):
        name = f"{run['variant']} ({run['protocol']} protocol, seed {run['seed']})"
        left.set_title(name + ("" if run["finished"] else f", {UNFINISHED}"), loc="left", fontsize=10)
        history = read_history(run)
        for panel, measure, top in ((left, "loss", None), (right, "accuracy", 1)):
            if history is None or measure not in history:
                say_why_empty(panel, f"no {measure} by epoch")
                panel.set(xticks=[], yticks=[])
            else:
                _curve(panel, history, measure, top)
    handles = {
        label: handle for panel in panels.ravel() for handle, label in zip(*_legend(panel), strict=True)
    }
    if handles:
        canvas.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False)
    caption = "Training (solid) and validation (dashed)."
    alt = f"Loss and accuracy by epoch of {', '.join(run['variant'] for run in runs)}."
    return finish(canvas, path, "Training curves", describe(runs), caption, alt)


def class_distribution(path, counts, info, title):
    """Draw how many images each class has, in each part or at each step.

    Args:
        path: PNG file to write.
        counts: dict from the name of a part ("all", "train, resampled", ...) to a dict from class to number.
        info: `dataset.json` of the data set: its name and whether it is a phantom.
        title: what the chart shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    classes = list(dict.fromkeys(name for part in counts.values() for name in part))
    canvas = Canvas(figsize=(8, 0.2 * (len(counts) + 1) * len(classes) + 1.6), layout="constrained")
    panel = canvas.subplots()
    thickness = 0.8 / len(counts)
    for index, (part, numbers) in enumerate(counts.items()):
        places = np.arange(len(classes)) + (index - (len(counts) - 1) / 2) * thickness
        widths = [numbers.get(name, 0) for name in classes]
        bars = panel.barh(
            places, widths, thickness * 0.92, label=part, color=COLOURS[::-1][index % len(COLOURS)]
        )
        panel.bar_label(bars, [f"{width:,}" for width in widths], padding=3, fontsize=8)
    panel.set_yticks(range(len(classes)), classes)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set_xlabel("images")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(panel)
    canvas.legend(loc="outside lower center", ncols=min(4, len(counts)), frameon=False)
    text = "; ".join(f"{part}: {sum(numbers.values()):,} images" for part, numbers in counts.items()) + "."
    return finish(canvas, path, title, data_label(info), text, f"Images per class: {', '.join(classes)}.")


def example_grid(path, images, labels, info, title):
    """Draw example images with their classes (Figure 2 of CheXNet-CBAM).

    Args:
        path: PNG file to write.
        images: list of uint8 (H, W, 3), 0..255; sizes may differ.
        labels: str (N,), their class names.
        info: `dataset.json` of the data set: its name and whether it is a phantom.
        title: what the grid shows.

    Returns:
        Figure: path, caption and alternative text.

    Raises:
        ValueError: where the lengths differ or there are no images.
    """
    if len(images) != len(labels) or not len(images):
        raise ValueError(
            f"{path}: received {len(images)} images and {len(labels)} labels, expected equal numbers > 0"
        )
    columns = min(5, len(images))
    lines = -(-len(images) // columns)
    canvas = Canvas(figsize=(2.1 * columns + 0.4, 2.35 * lines + 0.6), layout="constrained")
    panels = canvas.subplots(lines, columns, squeeze=False).ravel()
    for panel, image, label in zip(panels, images, labels, strict=False):
        show_picture(panel, image)
        panel.set_title(label, fontsize=9)
    for panel in panels[len(images) :]:
        panel.remove()
    alt = f"Example images: {', '.join(dict.fromkeys(labels))}."
    return finish(canvas, path, title, data_label(info), "", alt)


def finish(canvas, path, title, setting, caption, alt):
    """Write the title with its setting, save the PNG under a temporary name and rename it."""
    path = Path(path)
    synthetic = setting.startswith(SYNTHETIC)
    letters = int(10.5 * canvas.get_figwidth())
    # The no-break space keeps a separating dot at the end of its line.
    lines = [line for text in (title, setting.replace(" ·", "\xa0·")) for line in wrap(text, letters)]
    canvas.suptitle("\n".join(lines), fontsize=11, color="#9a4b00" if synthetic else "black")
    _read_literally(canvas)
    with atomic_path(path) as partial:
        canvas.savefig(partial, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return Figure(path, f"{title}. {setting}. {caption}".strip(), alt)


def legend_label(name):
    """Return a name as a legend shows it: matplotlib leaves out every label that begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


def data_label(info):
    """Name a data set, synthetic ones first of all as such."""
    return synthetic_label([info]) + info["name"]


def _read_literally(canvas):
    """Draw every text as it is: a class may be called `$5_$`, which matplotlib would read as a formula."""
    for axis in canvas.findobj(Axis):
        axis.get_ticklabels()  # makes the texts of the ticks, which would come into being while drawing
    for text in canvas.findobj(Text):
        text.set_parse_math(False)


def plain(panel):
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=9)


def _first_seed(runs, model):
    finished = [run for run in runs if run["variant"] == model and run["finished"]]
    return min(finished, key=lambda run: run["seed"], default=None)


def _why_absent(runs, model):
    return UNFINISHED if any(run["variant"] == model for run in runs) else NOT_RUN


def say_why_empty(panel, text):
    """Write into a panel why there is nothing to draw."""
    middle = dict(ha="center", va="center", transform=panel.transAxes)
    panel.text(0.5, 0.5, text, color=ASIDE, style="italic", **middle)


def _class_axes(panel, names):
    """Label both axes of a confusion matrix, drawn or absent, so that all panels of a grid have one size."""
    number = max(len(names), 1)
    panel.set(xlim=(-0.5, number - 0.5), ylim=(number - 0.5, -0.5), box_aspect=1)
    panel.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.set_xlabel("predicted", fontsize=9)
    panel.set_ylabel("true", fontsize=9)


def _matrix(panel, run):
    """Draw one confusion matrix and return its image, for the colour bar."""
    counts = np.array(run["metrics"]["confusion_matrix"])
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.55 else "black"
        panel.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    accuracy = 100 * np.trace(counts) / counts.sum()
    panel.set_title(f"{run['variant']}\nseed {run['seed']}, accuracy {accuracy:.2f} %", fontsize=10)
    return image


def _legend(panel):
    return panel.get_legend_handles_labels()


def _curve(panel, history, measure, top):
    """Draw one measure over the epochs; markers show that a short run has few points."""
    epochs = history["epoch"]
    marker = "o" if len(history) <= 25 else None
    panel.plot(epochs, history[measure], color=_TRAINING, marker=marker, ms=3, label="training")
    if f"val_{measure}" in history:
        values = history[f"val_{measure}"]
        panel.plot(epochs, values, color=_VALIDATION, ls="--", marker=marker, ms=3, label="validation")
    panel.set_xlabel("epoch", fontsize=9)
    panel.set_ylabel(measure, fontsize=9)
    panel.set_ylim(0, top)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    plain(panel)


def show_picture(panel, image):
    """Draw an image without axes."""
    panel.imshow(image)
    panel.set_xticks([])
    panel.set_yticks([])
