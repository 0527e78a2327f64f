"""The map of the embeddings."""

import numpy as np
import pandas as pd
from PIL import Image

from drcls.report import embedding_map, read_runs


def test_the_map_is_drawn_and_labelled(fabricate, tmp_path):
    [run] = read_runs(fabricate("SMOTE", data="phantom_fake"))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.normal(size=40), "y": rng.normal(size=40), "label": ["No_DR", "Mild"] * 20}
    )
    frame["kind"] = ["real"] * 30 + ["synthetic"] * 10
    figure = embedding_map(tmp_path / "map.png", run, frame, "Embeddings")
    assert Image.open(figure.path).size[0] > 800
    assert "SYNTHETIC DATA" in figure.caption and "No_DR, Mild" in figure.alt
