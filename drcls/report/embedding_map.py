"""Embeddings in two dimensions: real rows and the ones that resampling made."""

from itertools import cycle

from matplotlib import colormaps
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import COLOURS, finish, legend_label
from drcls.report.run_set import describe


def embedding_map(path, run, frame, title):
    """Draw real rows alone, and real and synthetic rows together.

    Args:
        path: PNG file to write.
        run: the run that the rows were made for.
        frame: DataFrame with x, y, label and kind (`real` or `synthetic`).
        title: what the map shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    canvas = Canvas(figsize=(11, 5.6), layout="constrained")
    before, after = canvas.subplots(1, 2, sharex=True, sharey=True)
    names = [name for name in run["class_names"] if (frame["label"] == name).any()]
    colours = COLOURS if len(names) <= len(COLOURS) else cycle(colormaps["tab20"].colors)
    for panel, kinds, heading in (
        (before, ["real"], "training rows"),
        (after, ["real", "synthetic"], "with synthetic rows"),
    ):
        for name, colour in zip(names, colours, strict=False):
            for kind in kinds:
                rows = frame[(frame["label"] == name) & (frame["kind"] == kind)]
                style = {"s": 10, "alpha": 0.7} if kind == "real" else {"s": 16, "alpha": 0.6, "marker": "x"}
                label = f"{legend_label(name)}{'' if kind == 'real' else ', synthetic'}: {len(rows)}"
                panel.scatter(rows["x"], rows["y"], color=colour, label=label, linewidths=0.8, **style)
        panel.set_title(heading, fontsize=10)
        panel.set(xticks=[], yticks=[])
        panel.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
    caption = "t-SNE of the rows as the learners get them, scaled and reduced; at most 1000 real and 1000 "
    caption += "synthetic ones. Distances between clusters mean nothing in t-SNE."
    alt = f"Map of the embeddings of {', '.join(names)}, before and after resampling."
    return finish(canvas, path, title, describe([run]), caption, alt)
