"""drcls.runs: run folders, whose they are, and whether they are finished."""

import hashlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from drcls.files import remove_partial, write_json, write_text
from drcls.runs import (
    check_run_folder,
    check_split,
    is_current,
    is_finished,
    save_model,
    sole_user,
    with_file_digests,
    write_split,
)
from tests.data.tables import table


def test_what_a_killed_writer_left_blocks_no_run_folder_and_is_removed(tmp_path):
    write_text(tmp_path / ".0123456789ab.partial.json", "{")
    check_run_folder(tmp_path)
    write_text(tmp_path / "checkpoint" / ".ba9876543210.partial.json", "{")
    write_text(tmp_path / "notes.partial.txt", "mine")
    with pytest.raises(ValueError, match="holds checkpoint, notes.partial.txt and no run"):
        check_run_folder(tmp_path)
    remove_partial(tmp_path)
    remove_partial(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoint", "notes.partial.txt"]


def test_a_run_is_finished_once_its_metrics_are_written(tmp_path):
    write_json(tmp_path / "config.json", {})
    assert not is_finished(tmp_path)
    write_json(tmp_path / "metrics.json", {})
    assert is_finished(tmp_path)


@pytest.mark.parametrize("place", [".", "48px"])
def test_a_begun_run_of_other_settings_is_replaced_only_without_a_checkpoint(tmp_path, place):
    write_json(tmp_path / "config.json", {"epochs": 5})
    assert not is_current(tmp_path, {"epochs": 3})
    write_json(tmp_path / place / "checkpoint" / "state.json", {})
    with pytest.raises(ValueError, match=r"made with other settings \(epochs: 5 there, 3 now\)"):
        is_current(tmp_path, {"epochs": 3})


def test_a_configuration_that_is_none_is_named(tmp_path):
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ValueError, match="config.json holds a list, expected a JSON object; train anew"):
        is_current(tmp_path, {"seed": 0})


def test_a_split_lists_every_row_with_its_part(tmp_path):
    manifest = table({"a": 2, "b": 1})
    write_split(tmp_path, {"train": manifest.select([0, 0]), "test": manifest.select([2])})
    assert (tmp_path / "split.csv").read_text().splitlines() == [
        "path,label,group,sha256,part",
        *[f"images/00000.png,a,a-0,{manifest.frame['sha256'][0]},train"] * 2,
        f"images/00002.png,b,b-2,{manifest.frame['sha256'][2]},test",
    ]


@pytest.mark.parametrize("begun", ["metrics.json", "checkpoint/state.json"])
def test_a_run_of_other_images_is_refused(tmp_path, begun):
    parts = {"train": table({"a": 2}), "test": table({"a": 2, "b": 1})}
    write_split(tmp_path, parts)
    check_split(tmp_path, parts | {"test": table({"a": 1})})  # nothing is lost
    write_json(tmp_path / begun, {})
    check_split(tmp_path, parts)
    with pytest.raises(
        ValueError, match=f"{tmp_path} was trained on other images .* train anew with --force"
    ):
        check_split(tmp_path, parts | {"test": table({"a": 1})})
    (tmp_path / "split.csv").unlink()
    check_split(tmp_path, {"test": table({"a": 1})})


def test_a_run_of_images_that_were_prepared_in_another_way_is_refused(tmp_path):
    parts = {"test": table({"a": 2, "b": 1})}
    parts["test"].info["preparation"] = {"filter": "none"}
    write_split(tmp_path, parts)
    write_json(tmp_path / "dataset.json", parts["test"].info)
    write_json(tmp_path / "metrics.json", {})
    check_split(tmp_path, parts)
    parts["test"].info["preparation"] = {"filter": "ben_graham"}
    with pytest.raises(ValueError, match="prepared in another way .*'none'.* there, .*'ben_graham'.* now"):
        check_split(tmp_path, parts)
    (tmp_path / "dataset.json").unlink()
    check_split(tmp_path, parts)


def test_a_second_process_is_kept_out_of_a_run_folder_until_the_first_ends(tmp_path):
    folder = tmp_path / "runs" / "row"
    with sole_user(folder):
        with (
            pytest.raises(ValueError, match=f"{folder}: another process trains in this run folder"),
            sole_user(folder),
        ):
            pass
        with sole_user(tmp_path / "runs" / "other"):
            pass
    with pytest.raises(BlockingIOError, match="mine"), sole_user(folder):
        raise BlockingIOError("mine")
    assert not list((tmp_path / "runs").iterdir())


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import os, sys; from drcls.runs import sole_user\n"
        "with sole_user(sys.argv[1]): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "row")], check=False)
    assert (tmp_path / ".row.lock").is_file()
    with sole_user(tmp_path / "row"):
        pass
    assert not (tmp_path / ".row.lock").exists()


def test_a_model_is_saved_whole(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    save_model(model, tmp_path / "run" / "model.keras")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model.keras"]
    loaded = keras.models.load_model(tmp_path / "run" / "model.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


@pytest.fixture
def backbone(tmp_path):
    path = tmp_path / "weights" / "squeezenet.keras"
    write_text(path, "weights")
    return path


def test_a_backbone_file_is_recorded_by_its_name_and_digest(backbone):
    config = {"seed": 0, "backbone": str(backbone), "weights": "file"}
    digest = hashlib.sha256(b"weights").hexdigest()
    assert with_file_digests(config) == {
        "seed": 0,
        "backbone": "squeezenet.keras",
        "backbone_sha256": digest,
        "weights": "file",
    }
    for known in ({"backbone": "ResNet50", "weights": "none"}, {"backbone": None}, {}):
        assert with_file_digests(known) == known


def test_another_backbone_file_is_another_run(tmp_path, backbone):
    run = tmp_path / "run"
    write_json(run / "config.json", with_file_digests({"backbone": str(backbone)}))
    write_json(run / "metrics.json", {})
    write_text(backbone, "other weights")
    with pytest.raises(ValueError, match=r"made with other settings \(backbone_sha256: "):
        is_current(run, with_file_digests({"backbone": str(backbone)}))
    with pytest.raises(ValueError, match=r"\(backbone: squeezenet.keras there, ResNet50 now\)"):
        is_current(run, {"backbone": "ResNet50"})
