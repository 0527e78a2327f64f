"""data_prep.stages_figure: drawn for ordinary smears and for one whose only cell lies across the border."""

import cv2
import numpy as np

from data_prep import stages_figure
from data_prep.cell_detection import Detection, detect_cells
from data_prep.sources import Source
from data_prep.stages_figure import draw_stages
from tests.data_prep.imitations import encode, write_folder


def test_stages_of_a_phantom(smears, tmp_path):
    with Source(smears) as source:
        draw_stages(source, tmp_path, 64)
    image = cv2.imread(str(tmp_path / "stages.png"))
    assert image.shape[1] > 1000 and image.std() > 10
    assert [path.name for path in tmp_path.iterdir()] == ["stages.png"]


def test_one_large_cell_across_the_border(tmp_path, monkeypatch):
    smear = np.full((120, 160, 3), 220, np.uint8)
    cv2.circle(smear, (60, 60), 15, (150, 70, 100), -1)
    files = {"Dataset/1.png": encode(smear), "Label/1.txt": b""}

    def detect_one(image):
        found = detect_cells(image)
        circles = np.array([[10.0, 60, 30]])
        return Detection(found.cell_diameter, found.upscaled, found.equalised, found.mask, circles)

    monkeypatch.setattr(stages_figure, "detect_cells", detect_one)
    with Source(write_folder(tmp_path / "s", files)) as source:
        draw_stages(source, tmp_path, 64)
    assert (tmp_path / "stages.png").is_file()
