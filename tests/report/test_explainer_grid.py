import cv2
import numpy as np
import pytest

from drcls.report import explainer_grid, read_runs


def test_images_and_their_maps_stand_side_by_side(fabricate, tmp_path):
    fabricate("Net")
    (run,) = read_runs(tmp_path / "runs")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3)).astype("uint8")
    masks = np.zeros((2, 24, 24), bool)
    masks[0, 4:9, 4:9] = True
    arguments = (["Mild", "Severe"], ["Mild", "Mild"], "Explainers")
    overlays = {"grad_cam": pictures, "lime": pictures}
    figure = explainer_grid(tmp_path / "grid.png", run, pictures, overlays, *arguments, masks)
    assert cv2.imread(str(figure.path)).std() > 5
    assert "grad_cam, lime" in figure.alt and "outlined" in figure.caption
    with pytest.raises(ValueError, match=r"differ in number: \[2, 2, 2, 1\]"):
        explainer_grid(tmp_path / "grid.png", run, pictures, {"lime": pictures[:1]}, *arguments)


def test_a_map_of_zeros_is_said_to_be_one(fabricate, tmp_path, drawn):
    fabricate("Net")
    (run,) = read_runs(tmp_path / "runs")
    pictures = np.zeros((1, 8, 8, 3), "uint8")
    overlays = {"grad_cam": pictures, "lime": pictures}
    evidence = {"grad_cam": [False], "lime": [True]}
    explainer_grid(tmp_path / "g.png", run, pictures, overlays, ["Mild"], ["Mild"], "Maps", evidence=evidence)
    assert [panel.get_xlabel() for panel in drawn[0].axes] == ["", "map is all zero", ""]
