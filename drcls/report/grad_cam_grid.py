"""Grad-CAM heat maps of right and wrong predictions, by class."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from drcls.report.figures import ASIDE, finish, say_why_empty, show_picture
from drcls.report.run_set import describe


def pick_hits_and_misses(labels, predicted, class_names, seed=0):
    """Choose one rightly and one wrongly classified image per true class, at random and not by their looks.

    Args:
        labels: str (N,), true class names.
        predicted: str (N,), predicted class names.
        class_names: the classes, in order.
        seed: seed of the choice.

    Returns:
        list of int: indices, the hits in order of class and then the misses; a class without one is left out.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    rng = np.random.default_rng(seed)
    wanted = [
        (labels == name) & ((predicted == name) == hit) for hit in (True, False) for name in class_names
    ]
    return [int(rng.choice(np.flatnonzero(mask))) for mask in wanted if mask.any()]


def grad_cam_grid(path, run, images, overlays, labels, predicted, title, masks=None, evidence=None):
    """Draw images and their heat maps by class, hits above misses (Figure 9 of CheXNet-CBAM).

    Args:
        path: PNG file to write.
        run: the run whose model is explained; names the setting and the order of the classes.
        images: uint8 (N, H, W, 3), 0..255.
        overlays: uint8 (N, H, W, 3), 0..255, the same images under their heat maps.
        labels: str (N,), true class names; the first hit and the first miss of each class are drawn.
        predicted: str (N,), predicted class names.
        title: what the grid shows.
        masks: bool or uint8 (N, H, W), non-zero on lesions, outlined in the image; None where unknown.
        evidence: bool (N,), False where the heat map is zero everywhere, which the figure says; None: all True.

    Returns:
        Figure: path, caption and alternative text.

    Raises:
        ValueError: where the lengths differ or a label is not one of the run's classes.
    """
    lengths = [
        len(images),
        len(overlays),
        len(labels),
        len(predicted),
        len(images if masks is None else masks),
    ]
    unknown = sorted(set(labels) - set(run["class_names"]))
    if len(set(lengths)) > 1 or unknown:
        raise ValueError(
            f"{path}: received {lengths} images, overlays, labels, predictions and masks, "
            f"and the unknown labels {unknown}; expected equal numbers and labels among {run['class_names']}"
        )
    classes = run["class_names"]
    canvas = Canvas(figsize=(min(2.1, 11 / len(classes)) * len(classes) + 0.6, 10.2), layout="constrained")
    panels = canvas.subplots(4, len(classes), squeeze=False)
    for block, hit in ((0, True), (2, False)):
        panels[block, 0].set_ylabel("hit" if hit else "miss", fontsize=12, fontweight="bold")
        panels[block + 1, 0].set_ylabel("heat map", fontsize=11)
        for column, name in enumerate(classes):
            pair = panels[block : block + 2, column]
            right = [i for i, label in enumerate(labels) if label == name and (predicted[i] == name) == hit]
            if right:
                _explained(pair, right[0], images, overlays, masks)
                if evidence is not None and not evidence[right[0]]:
                    say_all_zero(pair[1])
                pair[0].set_title(f"true {name}\npredicted {predicted[right[0]]}", fontsize=9)
            else:
                _empty_pair(pair, f"no {'hit' if hit else 'miss'}\nto show")
                pair[0].set_title(f"true {name}\n", fontsize=9)
    caption = f"{run['variant']}. The first right and the first wrong prediction drawn for each true class."
    caption += "" if masks is None else " Lesions are outlined in the original."
    alt = f"Test images of {', '.join(classes)} and their Grad-CAM heat maps, hits above misses."
    return finish(canvas, path, title, describe([run]), caption, alt)


def _explained(pair, index, images, overlays, masks):
    """Draw one image above its heat map, with the lesions outlined in the image."""
    show_picture(pair[0], images[index])
    show_picture(pair[1], overlays[index])
    if masks is not None and np.any(masks[index]):
        # White below black stays visible on dark and on bright tissue.
        pair[0].contour(np.asarray(masks[index]) > 0, levels=[0.5], colors="white", linewidths=1.6)
        pair[0].contour(np.asarray(masks[index]) > 0, levels=[0.5], colors="black", linewidths=0.7)


def say_all_zero(panel):
    """Write below a heat map that it holds no positive evidence, so that it is not taken for a plain image."""
    panel.set_xlabel("map is all zero", fontsize=8, color=ASIDE, style="italic")


def _empty_pair(pair, why):
    for panel in pair:
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    say_why_empty(pair[0], why)
