"""ROC and precision-recall curves of a run on its test part."""

import numpy as np
from matplotlib.figure import Figure as Canvas
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from drcls.report.figures import COLOURS, finish, legend_label, plain
from drcls.report.run_set import describe, read_predictions

_CHANCE = "#9a9a9a"


def roc_and_precision_recall(path, run, title):
    """Draw both curves of every class against the rest, and of all image-class pairs together (micro).

    On rare classes the two differ: a ROC curve looks good as soon as the many others are left alone, while
    precision falls with every one of them that is taken for the class. The share of each class, which is
    chance in the right panel, stands in its legend.

    Args:
        path: PNG file to write.
        run: a finished run of `read_runs`.
        title: what the figure shows.

    Returns:
        Figure: path, caption and alternative text.
    """
    frame, names = read_predictions(run), run["class_names"]
    y_true = np.stack([frame["label"] == name for name in names], axis=1)  # (N, C)
    scores = frame[[f"p_{name}" for name in names]].to_numpy()
    canvas = Canvas(figsize=(11, 5.6), layout="constrained")
    roc, precision_recall = canvas.subplots(1, 2)
    series = [(name, y_true[:, i], scores[:, i], COLOURS[i % len(COLOURS)]) for i, name in enumerate(names)]
    series.append(("micro", y_true.ravel(), scores.ravel(), "black"))
    for name, truth, score, colour in series:
        name = legend_label(name)
        if truth.all() or not truth.any():
            roc.plot([], [], color=colour, label=f"{name}: undefined, one class alone in the test part")
            continue
        style = {"color": colour, "lw": 2.2 if name == "micro" else 1.4}
        false_positives, recall, _ = roc_curve(truth, score)
        roc.plot(false_positives, recall, label=f"{name}: AUROC {roc_auc_score(truth, score):.3f}", **style)
        precision, recall, _ = precision_recall_curve(truth, score)
        label = f"{name}: AP {average_precision_score(truth, score):.3f}, share {truth.mean():.3f}"
        precision_recall.plot(recall, precision, drawstyle="steps-post", label=label, **style)
    roc.plot([0, 1], [0, 1], color=_CHANCE, ls=":", label="chance")
    roc.set(xlabel="1 - specificity", ylabel="sensitivity")
    precision_recall.set(xlabel="recall (sensitivity)", ylabel="precision")
    for panel in (roc, precision_recall):
        panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2, frameon=False)
        plain(panel)
    caption = "Left: ROC curves. Right: precision-recall curves; AP is the area under them."
    alt = f"ROC and precision-recall curves of {', '.join(names)} for {run['variant']}."
    return finish(canvas, path, title, describe([run]), caption, alt)
