"""What the command line of every experiment refuses, before anything is read or written."""

from importlib import import_module

import pytest

from experiments.common.options import names_in
from experiments.results.claims import EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_seed_that_no_generator_takes_is_refused(name, capsys):
    with pytest.raises(SystemExit):
        import_module(f"experiments.{name}.experiment").parse(["--seed=-1"])
    assert (
        "argument --seed: expected a whole number from 0 to 4294967295; received '-1'"
        in capsys.readouterr().err
    )


def test_names_are_parted_by_commas_with_or_without_blanks():
    assert names_in("VGG19, ResNet50 ,CheXNet") == ["VGG19", "ResNet50", "CheXNet"]
