import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from drcls.report import (
    class_distribution,
    confusion_matrices,
    example_grid,
    read_runs,
    roc_and_precision_recall,
    training_curves,
)
from tests.report.drawings import check, words


def test_confusion_matrices_of_all_models(fabricate, tmp_path, drawn):
    fabricate("Best", seed=1, quality=0.8)
    fabricate("Best", seed=2, quality=0.1)
    runs = read_runs(tmp_path / "runs")
    figure = confusion_matrices(tmp_path / "m.png", runs, ["Best", "Never_run"], "Matrices")
    counts = np.array(runs[0]["metrics"]["confusion_matrix"])
    accuracy = 100 * np.trace(counts) / counts.sum()
    check(figure, drawn[0], f"Best\nseed 1, accuracy {accuracy:.2f} %", str(counts[2, 2]), "not run", "Mild")
    assert figure.caption.startswith("Matrices. fake · clean protocol · quick profile · seed 1.")


def test_confusion_matrices_without_any_finished_run(fabricate, tmp_path, drawn):
    fabricate("Half", finished=False)
    figure = confusion_matrices(tmp_path / "m.png", read_runs(tmp_path / "runs"), ["Half"], "Matrices")
    check(figure, drawn[0], "Half", "unfinished")


def test_matrices_of_two_protocols_are_refused(fabricate, tmp_path):
    fabricate("Best")
    fabricate("Best", "paper")
    with pytest.raises(ValueError, match="protocol="):
        confusion_matrices(tmp_path / "m.png", read_runs(tmp_path / "runs"), ["Best"], "Matrices")


def test_training_curves_draw_what_history_holds(fabricate, tmp_path, drawn):
    fabricate("Best")
    (fabricate("Trees") / "history.csv").unlink()
    fabricate("Half", finished=False)
    figure = training_curves(tmp_path / "c.png", read_runs(tmp_path / "runs"))
    check(figure, drawn[0], "training", "validation", "no loss by epoch", "no accuracy by epoch")
    lines = drawn[0].axes[0].get_lines()
    assert lines[0].get_ydata() == pytest.approx([1.6, 1.4, 1.2, 1.0, 0.8, 0.6])
    assert lines[1].get_ydata()[-1] == pytest.approx(1.1)
    assert drawn[0].axes[2].get_title("left") == "Half (clean protocol, seed 0), unfinished"
    with pytest.raises(ValueError, match="at least one run"):
        training_curves(tmp_path / "c.png", [])


def test_class_distribution_and_examples_name_the_data(tmp_path, drawn):
    counts = {"all": {"cat": 1805, "dog": 2}, "train": {"cat": 5}}
    figure = class_distribution(
        tmp_path / "d.png", counts, {"name": "fundus_phantom", "phantom": True}, "Images per class"
    )
    check(figure, drawn[0], "1,805", "5", "0", "cat", "train")
    assert "all: 1,807 images" in figure.caption
    assert "SYNTHETIC DATA. fundus_phantom" in drawn[0].get_suptitle()
    images = [np.full((8, 8 + i, 3), 40 * i, "uint8") for i in range(6)]
    figure = example_grid(
        tmp_path / "e.png", images, list("abcdef"), {"name": "x", "phantom": False}, "Examples"
    )
    check(figure, drawn[1], "a", "f")
    assert "SYNTHETIC" not in figure.caption
    with pytest.raises(ValueError, match="2 images and 1 labels"):
        example_grid(tmp_path / "e.png", images[:2], ["a"], {"name": "x", "phantom": False}, "Examples")


def test_a_failed_figure_leaves_the_old_one(fabricate, tmp_path, monkeypatch):
    counts, info = {"all": {"cat": 3}}, {"name": "x", "phantom": False}
    figure = class_distribution(tmp_path / "d.png", counts, info, "Old")
    before = figure.path.read_bytes()

    def cut(canvas, path, **options):
        path.write_bytes(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Canvas, "savefig", cut)
    with pytest.raises(OSError, match="disk full"):
        class_distribution(tmp_path / "d.png", counts, info, "New")
    assert figure.path.read_bytes() == before


ODD_NAMES = ['Größe $5_$ "q"', "_hidden", "a_b^{c", r"\\frac$x$", "$$"]


def test_names_are_drawn_literally(fabricate, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr("tests.report.conftest.CLASSES", ODD_NAMES)
    fabricate("$V_$")
    (run,) = read_runs(tmp_path / "runs")
    counts, info = {"all": dict.fromkeys(ODD_NAMES, 3)}, {"name": "$d_$", "phantom": False}
    confusion_matrices(tmp_path / "matrix.png", [run], ["$V_$"], "Confusion $t_$")
    class_distribution(tmp_path / "counts.png", counts, info, "Counts")
    example_grid(tmp_path / "grid.png", [np.zeros((4, 4, 3), np.uint8)] * 5, ODD_NAMES, info, "Examples")
    training_curves(tmp_path / "history.png", [run])
    roc_and_precision_recall(tmp_path / "roc.png", run, "ROC")
    for canvas in drawn:
        texts = [text for text in canvas.findobj(Text) if text.get_text()]
        assert texts and not any(text.get_parse_math() for text in texts)
    for canvas in drawn[:3]:
        assert set(ODD_NAMES) <= set(words(canvas))
    legend = " ".join(words(drawn[4]))
    assert all(f"{name}: AUROC" in legend and f"{name}: AP" in legend for name in ODD_NAMES)
