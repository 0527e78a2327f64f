"""Data that are not a paper's are refused before anything is trained."""

from importlib import import_module

import pytest

from experiments.common.data import check_classes
from tests.data.tables import table
from tests.small_data import write_squares


def test_classes_in_their_order_pass():
    check_classes(table({"a": 1, "b": 1}), ["a", "b"])
    for classes in (["b", "a"], ["a"], ["a", "b", "c"]):
        expected = f"nowhere has the classes a, b; expected those of the paper, {', '.join(classes)}, in this"
        with pytest.raises(ValueError, match=expected):
            check_classes(table({"a": 1, "b": 1}), classes)


@pytest.mark.parametrize("name", ["chexnet_cbam", "multiscale_attention", "blood_cells"])
def test_other_classes_than_the_papers_are_refused_before_training(name, tmp_path, monkeypatch):
    experiment = import_module(f"experiments.{name}.experiment")
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    write_squares(tmp_path / "data" / "squares")
    with pytest.raises(
        ValueError, match="squares has the classes red, green, blue; expected those of the paper, "
    ):
        experiment.main(["--data", "squares", "--profile", "quick"])
    assert not (tmp_path / "runs").exists()
