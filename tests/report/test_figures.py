import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from drcls.report import (
    Measure,
    bar_chart,
    class_distribution,
    confusion_matrices,
    example_grid,
    grad_cam_grid,
    pick_hits_and_misses,
    read_runs,
    roc_and_precision_recall,
    select_runs,
    training_curves,
)

REPORTED = [{"model": "Best", "accuracy": 96.12}, {"model": "Never_run", "accuracy": 50.0}]
MEASURES = [Measure("accuracy (%)", "accuracy"), Measure("kappa", "quadratic_kappa", percent=False)]


def words(canvas):
    """Return all text on a canvas."""
    return [artist.get_text() for artist in canvas.findobj(Text) if artist.get_text()]


def check(figure, canvas, *expected):
    """Check that the PNG opens, has 150 dpi, leaves no temporary file, and shows the expected text."""
    image = cv2.imread(str(figure.path))
    # The canvas may round its size to whole pixels.
    assert image.shape[1::-1] == pytest.approx(150 * canvas.get_size_inches(), abs=1)
    assert image.std() > 5
    assert not list(figure.path.parent.glob(".*"))
    assert figure.alt
    for text in expected:
        assert text in words(canvas), f"{text!r} not in {words(canvas)}"


def test_bars_show_reported_measured_and_missing(fabricate, tmp_path, drawn):
    for seed, accuracy in enumerate((0.6, 0.8)):
        fabricate("Best", seed=seed, metrics={"accuracy": accuracy, "quadratic_kappa": 0.4567})
    fabricate("Half", finished=False)
    runs = read_runs(tmp_path / "runs")
    figure = bar_chart(tmp_path / "new" / "bars.png", runs, REPORTED, MEASURES, "Models")
    title = "Models\nfake\xa0· clean protocol\xa0· quick profile\xa0· seeds 0, 1"
    check(figure, drawn[0], title, "96.1", "70.0", "0.457", "not run", "unfinished", "not reported")
    assert "ours, leak-free" in words(drawn[0])


def test_phantom_is_in_title_legend_and_caption(fabricate, tmp_path, drawn):
    fabricate("Best", data="phantom-fundus")
    figure = bar_chart(tmp_path / "bars.png", read_runs(tmp_path / "runs"), REPORTED, MEASURES, "Models")
    assert "SYNTHETIC DATA" in figure.caption and "SYNTHETIC DATA" in drawn[0].get_suptitle()
    assert "ours, leak-free (synthetic)" in words(drawn[0])


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


def test_hits_and_misses_are_drawn_by_chance_and_by_seed():
    labels = np.array(["a", "a", "b", "b", "a"] * 20)
    predicted = np.array(["a", "b", "b", "b", "a"] * 20)
    picked = pick_hits_and_misses(labels, predicted, ["a", "b"], seed=1)
    assert [(labels[i], predicted[i]) for i in picked] == [("a", "a"), ("b", "b"), ("a", "b")]
    assert picked == pick_hits_and_misses(labels, predicted, ["a", "b"], seed=1)
    assert len({tuple(pick_hits_and_misses(labels, predicted, ["a", "b"], seed)) for seed in range(9)}) > 1


def test_grad_cam_grid_sorts_hits_and_misses_by_class(fabricate, tmp_path, drawn):
    fabricate("Best")
    (run,) = read_runs(tmp_path / "runs")
    images = np.zeros((3, 16, 16, 3), "uint8")
    images[1, :8] = 200
    masks = np.zeros((3, 16, 16), bool)
    masks[0, 4:9, 4:9] = True
    names = ["Mild", "Severe", "Mild"], ["Mild", "Mild", "Severe"]
    figure = grad_cam_grid(tmp_path / "g.png", run, images, 255 - images, *names, "Maps", masks)
    check(figure, drawn[0], "hit", "miss", "true Mild\npredicted Mild", "true Severe\npredicted Mild")
    check(figure, drawn[0], "true Mild\npredicted Severe", "no hit\nto show", "no miss\nto show")
    panels = np.array(drawn[0].axes).reshape(4, 5)
    assert np.array_equal(panels[2, 3].images[0].get_array(), images[1])
    assert np.array_equal(panels[3, 3].images[0].get_array(), 255 - images[1])
    assert len(panels[0, 1].collections) == 2 and not panels[2, 3].collections


def test_a_heat_map_of_zeros_is_said_to_be_one(fabricate, tmp_path, drawn):
    fabricate("Best")
    (run,) = read_runs(tmp_path / "runs")
    images = np.zeros((2, 8, 8, 3), "uint8")
    names = ["Mild", "Severe"], ["Mild", "Severe"]
    grad_cam_grid(tmp_path / "g.png", run, images, images, *names, "Maps", evidence=[True, False])
    panels = np.array(drawn[0].axes).reshape(4, 5)
    assert (panels[1, 1].get_xlabel(), panels[1, 3].get_xlabel()) == ("", "map is all zero")


def test_grad_cam_grid_refuses_what_does_not_belong_together(fabricate, tmp_path):
    fabricate("Best")
    (run,) = read_runs(tmp_path / "runs")
    images = np.zeros((2, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="unknown labels \\['Cat'\\]"):
        grad_cam_grid(tmp_path / "g.png", run, images, images, ["Cat", "Mild"], ["Mild"] * 2, "Maps")
    with pytest.raises(ValueError, match="received \\[2, 1, 2, 2, 2\\]"):
        grad_cam_grid(tmp_path / "g.png", run, images, images[:1], ["Mild"] * 2, ["Mild"] * 2, "Maps")


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


def test_nothing_goes_through_pyplot(fabricate, tmp_path):
    import sys

    fabricate("Best")
    bar_chart(tmp_path / "b.png", select_runs(read_runs(tmp_path / "runs"), seed=0), REPORTED, MEASURES, "x")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
