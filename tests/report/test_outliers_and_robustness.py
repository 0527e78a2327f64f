"""The figures of what was removed and of what corruptions leave."""

import numpy as np
import pytest

from drcls.report import outlier_figure, robustness_curves

INFO = {"name": "cells", "phantom": True}


@pytest.mark.parametrize("known", [True, False])
def test_outlier_figure(tmp_path, known):
    rng = np.random.default_rng(0)
    scores, injected = rng.random(60), rng.random(60) > 0.5
    images = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    figure = outlier_figure(
        tmp_path / "o.png", scores, 0.5, injected if known else None, images, INFO, "Outliers"
    )
    assert figure.path.stat().st_size > 1000
    assert "SYNTHETIC DATA" in figure.caption
    assert ("injected but kept" in figure.alt) == known


def test_robustness_curves(tmp_path):
    run = {
        "variant": "net",
        "data": "cells",
        "protocol": "clean",
        "profile": "quick",
        "seed": 0,
        "phantom": True,
    }
    measured = {
        "clean": 0.9,
        "num_images": 64,
        "corrupted": {"blur": [0.8, 0.7, 0.6, 0.5, 0.4], "noise": [0.5] * 5},
    }
    figure = robustness_curves(tmp_path / "r.png", [run] * 9, [measured] * 9, "Corruptions")
    assert figure.path.stat().st_size > 1000
    assert "64 test images" in figure.caption and "blur, noise" in figure.alt
