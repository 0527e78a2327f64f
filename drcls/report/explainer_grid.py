"""Several explanations of the same images side by side."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import finish
from drcls.report.grad_cam_grid import say_all_zero
from drcls.report.run_set import describe

_MAX_WIDTH = 11  # inches, what a page of 1200 pixels holds


def explainer_grid(path, run, images, overlays, labels, predicted, title, masks=None, evidence=None):
    """Draw one row per image: the original, then its heat map by every method.

    Args:
        path: PNG file to write.
        run: the run whose model is explained.
        images: uint8 (N, H, W, 3), 0..255.
        overlays: dict from the method's name to uint8 (N, H, W, 3), 0..255, the images under its heat maps.
        labels: str (N,), true class names.
        predicted: str (N,), predicted class names, which the heat maps explain.
        title: what the grid shows.
        masks: bool or uint8 (N, H, W), non-zero on lesions, outlined in the original; None where unknown.
        evidence: dict from the method's name to bool (N,), False where its map is zero everywhere, which the figure
            says; None: all True.

    Returns:
        Figure: path, caption and alternative text.

    Raises:
        ValueError: where the lengths differ.
    """
    lengths = [len(images), len(labels), len(predicted), *(len(maps) for maps in overlays.values())]
    if len(set(lengths)) > 1:
        raise ValueError(f"{path}: images, labels, predictions and heat maps differ in number: {lengths}")
    side = min(1.7, _MAX_WIDTH / (1 + len(overlays)))  # inches of one panel
    size = (side * (1 + len(overlays)) + 0.4, (side + 0.2) * len(images) + 1.1)
    canvas = Canvas(figsize=size, layout="constrained")
    panels = canvas.subplots(len(images), 1 + len(overlays), squeeze=False)
    for row, line in enumerate(panels):
        pictures = {"original": images[row]} | {name: maps[row] for name, maps in overlays.items()}
        for panel, (name, picture) in zip(line, pictures.items(), strict=True):
            panel.imshow(picture)
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(name.replace("_", " "), fontsize=9)
            if evidence is not None and name in evidence and not evidence[name][row]:
                say_all_zero(panel)
        line[0].set_ylabel(f"true {labels[row]}\npredicted {predicted[row]}", fontsize=8)
        if masks is not None and np.any(masks[row]):
            # White below black stays visible on dark and on bright tissue.
            lesions = np.asarray(masks[row]) > 0
            line[0].contour(lesions, levels=[0.5], colors="white", linewidths=1.6)
            line[0].contour(lesions, levels=[0.5], colors="black", linewidths=0.7)
    caption = "Positive evidence for the predicted class; each map is divided by its maximum."
    caption += "" if masks is None else " Lesions are outlined in the original."
    alt = f"{len(images)} test images and their heat maps by {', '.join(overlays)}."
    return finish(canvas, path, title, describe([run]), caption, alt)
