"""One row of a results table does not depend on the rows before it."""

import random

import keras
import numpy as np
import pytest

from drcls.data import split
from drcls.runs import sole_user
from experiments.common.run import audit, check_rows, run_variant
from tests.small_data import write_squares


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    manifest = write_squares(tmp_path_factory.mktemp("data"), per_class=8)
    return split(manifest, (0.5, 0.25, 0.25), 0, "grouped")


@pytest.fixture(autouse=True)
def precision():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def constant(test):
    """Return a fit that says the same of every test image."""
    return lambda: (np.full((len(test), len(test.classes)), 1 / len(test.classes)), "none")


def run(folder, parts, **settings):
    """Run a row that learns nothing; return its precision and a random number of each generator."""
    found = []

    def fit():
        drawn = random.random(), float(keras.random.uniform(()))
        found.append((keras.config.dtype_policy().name, *drawn))
        return constant(parts["test"])()

    row = dict(variant="row", data="squares", protocol="clean", profile="quick", seed=0) | settings
    run_variant(folder, row, parts, audit(parts, "clean"), fit)
    return found[0]


def test_neither_precision_nor_random_numbers_come_from_the_row_before(tmp_path, parts):
    alone = run(tmp_path / "alone", parts)
    assert run(tmp_path / "half", parts, policy="mixed_bfloat16")[0] == "mixed_bfloat16"
    assert run(tmp_path / "after", parts) == alone
    assert alone[0] == "float32"
    assert run(tmp_path / "seed", parts, seed=1)[1:] != alone[1:]


def test_a_finished_row_of_other_images_is_refused(tmp_path, parts):
    run(tmp_path / "row", parts)
    other = parts | {"validation": parts["validation"].select([0])}
    with pytest.raises(ValueError, match="row was trained on other images or another split"):
        run(tmp_path / "row", other)
    before = (tmp_path / "row" / "split.csv").read_bytes()
    row = dict(variant="row", data="squares", protocol="clean", profile="quick", seed=0)
    fit = constant(parts["test"])
    run_variant(tmp_path / "row", row, other, audit(other, "clean"), fit, force=True)
    assert (tmp_path / "row" / "split.csv").read_bytes() != before


def test_force_trains_a_row_anew_whose_folder_is_a_link(tmp_path, parts):
    run(tmp_path / "elsewhere", parts)
    (tmp_path / "row").symlink_to("elsewhere")
    (tmp_path / "elsewhere" / "old.txt").touch()
    row = dict(variant="row", data="squares", protocol="clean", profile="quick", seed=0)
    run_variant(tmp_path / "row", row, parts, audit(parts, "clean"), constant(parts["test"]), force=True)
    assert not (tmp_path / "row" / "old.txt").exists() and (tmp_path / "row" / "metrics.json").is_file()


def test_a_row_beside_rows_of_other_images_is_refused(tmp_path, parts):
    run(tmp_path / "first", parts)
    check_rows(tmp_path, parts)
    other = parts | {"validation": parts["validation"].select([0])}
    with pytest.raises(ValueError, match="first was trained on other images or another split"):
        check_rows(tmp_path, other)
    check_rows(tmp_path, other, apart=["first"])


@pytest.mark.parametrize("force", [False, True])
def test_a_row_that_another_process_trains_is_left_alone(tmp_path, parts, force):
    (tmp_path / "row").mkdir()
    (tmp_path / "row" / ".0123456789ab.partial.json").write_text("{")
    row = dict(variant="row", data="squares", protocol="clean", profile="quick", seed=0)
    with (
        sole_user(tmp_path / "row"),
        pytest.raises(ValueError, match="another process trains in this run folder"),
    ):
        run_variant(tmp_path / "row", row, parts, audit(parts, "clean"), constant(parts["test"]), force)
    assert len(list((tmp_path / "row").iterdir())) == 1
