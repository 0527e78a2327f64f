"""The multi-scale attention report: from phantom rows to its page, tables and explainers."""

import re
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest

from data_prep.phantoms.fundus import write_fundus
from drcls.explain import METHODS
from drcls.files import read_json
from experiments.multiscale_attention import experiment, explainers
from experiments.multiscale_attention.experiment import PROFILES, VARIANTS, main
from experiments.multiscale_attention.explainers import agreement_table, as_text, choose_images, too_coarse

TINY = {"widths": (4, 8, 12), "blocks_per_stage": 1, "num_heads": 2, "reduction_ratio": 4}
NETWORK = "MultiScaleAttention"


@pytest.fixture
def few_methods(monkeypatch):
    """The methods that need thousands of forward passes are left to their own tests."""
    fast = {name: METHODS[name] for name in ("grad_cam", "saliency")}
    monkeypatch.setattr(explainers, "METHODS", fast)
    monkeypatch.setattr(explainers, "POSTER", ("grad_cam",))
    monkeypatch.setattr(explainers, "IMAGES_PER_CLASS", {"quick": 1})
    monkeypatch.setattr(explainers, "NUM_CHECKED", 1)


def test_from_the_phantom_to_the_page(few_methods, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setitem(
        experiment.STAND_INS, "fundus_phantom", partial(write_fundus, num_images=400, size=32)
    )
    monkeypatch.setitem(PROFILES["quick"], "image_size", 32)
    monkeypatch.setitem(VARIANTS, NETWORK, TINY)
    arguments = ["--data", "fundus_phantom", "--profile", "quick", "--epochs", "1", "--protocol", "clean"]
    main([*arguments, "--models", NETWORK])
    run_set = tmp_path / "runs" / "multiscale_attention"
    text = (run_set / "report-fundus_phantom-quick" / "report.md").read_text()
    for heading in ("Results with 5 classes", "Results with 4 classes", "Explainers", "Another data set"):
        assert f"## {heading}" in text
    assert "Severe_or_Proliferate_DR" in text and "Not run: `--external`" in text
    held = read_json(run_set / "fundus_phantom-clean-quick-s0" / "MultiScaleAttention" / "explainers.json")
    assert set(held["methods"]) == {"grad_cam", "saliency", "random pixels"}
    assert 0 <= held["methods"]["grad_cam"]["mass"] <= 1
    assert "shuffled_correlation" not in held["methods"]["random pixels"]
    page = (run_set / "report-fundus_phantom-quick" / "report.html").read_text()
    assert (
        len(re.findall(r"<img", page)) == 9
    )  # classes; training, curves and confusion for 5 and 4 classes; two of explainers
    assert "SYNTHETIC DATA" in text


@pytest.mark.parametrize(("strides", "places"), [(4, 2), (2, 4)])
def test_maps_that_are_too_coarse_are_left_out_and_named(strides, places):
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, strides, "same"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(2, "softmax"),
    ]
    coarse, why = too_coarse(keras.Sequential(layers))
    assert ("grad_cam" in coarse) == (places < 4)
    assert ["2 x 2 places" in sentence for sentence in why] == [True] * (places < 4)


def test_images_are_drawn_from_every_class_and_always_the_same():
    predictions = pd.DataFrame({"path": [f"{i}.png" for i in range(40)], "label": ["a"] * 37 + ["b"] * 3})
    chosen = choose_images(predictions, 4)
    assert chosen["label"].value_counts().to_dict() == {"a": 4, "b": 3}
    pd.testing.assert_frame_equal(chosen, choose_images(predictions, 4))


def test_what_was_not_measured_says_so():
    without_lesions = {"deletion": 0.25, "insertion": 0.5, "shuffled_correlation": 0.75, "passed": False}
    row = as_text({"saliency": without_lesions}).iloc[0].to_dict()
    assert row["pointing (chance)"] == row["mass (chance)"] == "no lesions known"
    assert row["shuffled weights"] == "0.75: fails" and row["deletion"] == "0.250"
    nothing = {"pointing": None, "pointing_by_chance": None, "mass": 0.125, "mass_by_area": 0.0625}
    row = as_text({"blank": without_lesions | nothing | {"shuffled_correlation": None}}).iloc[0].to_dict()
    assert row["pointing (chance)"] == "not measured (not measured)"
    assert row["mass (chance)"] == "12.5 % (6.2 %)" and row["shuffled weights"] == "every map is blank"
    random = as_text({"random": {"deletion": 0.25, "insertion": 0.5}}).iloc[0]
    assert random["shuffled weights"] == "not applicable"


def test_agreement_is_one_row_a_method():
    table = agreement_table({"a": {"a": 1.0, "b": np.float64(-0.5)}, "b": {"a": -0.5, "b": 1.0}})
    assert table.to_dict("records")[0] == {"method": "a", "a": "1.00", "b": "-0.50"}
