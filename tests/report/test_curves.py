import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from drcls.report import read_predictions, read_runs, roc_and_precision_recall


def lines(panel):
    return {line.get_label().split(":")[0]: line for line in panel.get_lines()}


def test_curves_enclose_the_areas_in_their_legend(fabricate, tmp_path, drawn):
    fabricate("Net")
    (run,) = read_runs(tmp_path / "runs")
    figure = roc_and_precision_recall(tmp_path / "figures" / "curves.png", run, "Curves")
    assert cv2.imread(str(figure.path)).std() > 5 and "Net" in figure.alt
    frame = read_predictions(run)
    roc, precision_recall = drawn[0].axes
    for name in run["class_names"]:
        truth, score = frame["label"] == name, frame[f"p_{name}"]
        x, y = lines(roc)[name].get_data()
        area = roc_auc_score(truth, score)
        assert np.trapezoid(y, x) == pytest.approx(area)
        assert lines(roc)[name].get_label() == f"{name}: AUROC {area:.3f}"
        precision = average_precision_score(truth, score)
        assert f"AP {precision:.3f}, share {truth.mean():.3f}" in lines(precision_recall)[name].get_label()
    assert {"micro", "chance"} <= set(lines(roc))


def test_an_absent_class_is_said_to_be_undefined(fabricate, tmp_path, drawn):
    folder = fabricate("Net")
    frame = pd.read_csv(folder / "predictions.csv")
    frame = frame[frame["label"] != "Mild"]
    frame.to_csv(folder / "predictions.csv", index=False)
    (run,) = read_runs(tmp_path / "runs")
    run["num_test"] = len(frame)
    roc_and_precision_recall(tmp_path / "curves.png", run, "Curves")
    roc, precision_recall = drawn[0].axes
    assert "undefined" in lines(roc)["Mild"].get_label()
    assert "Mild" not in lines(precision_recall)
