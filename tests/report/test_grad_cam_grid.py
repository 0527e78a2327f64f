import numpy as np
import pytest

from drcls.report import grad_cam_grid, pick_hits_and_misses, read_runs
from tests.report.drawings import check


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
