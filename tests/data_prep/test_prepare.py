"""data_prep.prepare: verified, restartable, done once, and never two preparations in one folder."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep import prepare as module
from data_prep import sources
from data_prep.aptos2019 import APTOS2019
from data_prep.command import main
from data_prep.prepare import LabelledFile, with_distinct_ids
from data_prep.sources import PreparationError
from drcls.data.image_ops import prepare_image, read_image
from drcls.files import locked
from tests.data_prep.imitations import aptos_files, bad_files, encode, picture, write_folder, write_zip

REPOSITORY = Path(__file__).resolve().parents[2]

# 40 ms an image, so that the kill comes in the middle.
SLOW_PREPARATION = """
import sys, time
from data_prep import aptos2019, command, prepare
decode = prepare.decode_verified
prepare.decode_verified = lambda *arguments: (time.sleep(0.04), decode(*arguments))[1]
command.main(aptos2019.APTOS2019, sys.argv[1:])
"""


def run(source, output, *arguments):
    return main(APTOS2019, ["--source", str(source), "--output", str(output), "--workers", "2", *arguments])


def manifest(output):
    return pd.read_csv(output / "manifest.csv", dtype=str, keep_default_na=False)


def info(output):
    return json.loads((output / "dataset.json").read_text())


@pytest.fixture
def source(tmp_path):
    return write_zip(tmp_path / "aptos.zip", aptos_files(10))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def test_manifest_says_what_lies_in_the_folder(source, output, capsys):
    assert run(source, output, "--size", "32") == 0
    frame = manifest(output)
    assert list(frame.columns) == [
        "path",
        "label",
        "group",
        "sha256",
        "phash",
        "width",
        "height",
        "source_split",
    ]
    assert list(frame["path"]) == [f"images/img{number:03d}.png" for number in range(10)]
    assert list(frame["label"]) == ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"] * 2
    for number, row in frame.iterrows():
        image = read_image(output / row["path"])
        assert (image.shape, row["width"], row["height"]) == ((32, 32, 3), "32", "32")
        # The digest is that of the source's bytes, by which copies are known whatever was done to them since.
        assert row["sha256"] == hashlib.sha256(encode(picture(number))).hexdigest()
        np.testing.assert_array_equal(image, prepare_image(picture(number), info(output)["preparation"]))
    assert frame["group"].nunique() == 10
    assert (output / "rejected.csv").read_text() == "path,reason\n"
    text = capsys.readouterr().out
    assert "10 images in" in text and "images/s" in text and "1805 in Table 1" in text


def test_dataset_json_describes_the_preparation(source, output):
    run(source, output, "--size", "32", "--crop", "centre", "--filter", "ben_graham", "--clahe")
    description = info(output)
    assert description["preparation"] == {"crop": "centre", "size": 32, "filter": "ben_graham", "clahe": True}
    assert description["counts"] == dict.fromkeys(description["classes"], 2)
    assert description["counts_check"]["differences"]["Mild"] == 2 - 370
    assert (description["name"], description["source"], description["phantom"]) == (
        "aptos2019",
        "aptos.zip",
        False,
    )
    assert {"title", "licence", "drcls_version", "duplicates"} <= set(description)


def test_source_bytes_are_kept_where_no_option_changes_a_pixel(tmp_path, output):
    files = aptos_files(5, suffix=".jpg")
    run(write_zip(tmp_path / "aptos.zip", files), output, "--size", "48", "--crop", "border")
    for name, data in files.items():
        if name.endswith(".jpg"):
            assert (output / "images" / Path(name).name).read_bytes() == data


def test_every_bad_file_is_rejected_with_its_reason(tmp_path, output, capsys):
    bad, files = bad_files(), aptos_files(10)
    table = files["train.csv"].decode()
    for name, (data, _) in bad.items():
        files[f"gaussian_filtered_images/Mild/{name}"] = data
        table += f"{Path(name).stem},1\n"
    files["gaussian_filtered_images/Mild/nameless.png"] = encode(picture(50))
    source = write_folder(tmp_path / "source", files | {"train.csv": table.encode()})
    assert run(source, output) == 1
    rejected = pd.read_csv(output / "rejected.csv").set_index("path")["reason"]
    assert len(rejected) == len(bad) + 1
    for name, (_, reason) in bad.items():
        assert reason in rejected[f"gaussian_filtered_images/Mild/{name}"], name
    assert "no label" in rejected["gaussian_filtered_images/Mild/nameless.png"]
    assert len(manifest(output)) == 10 and info(output)["counts"]["Mild"] == 2
    assert f"rejected: {len(bad) + 1} files" in capsys.readouterr().out
    assert len(list((output / "images").iterdir())) == 10
    # The status is that of the preparation, also when it is found finished.
    assert run(source, output) == 1
    assert run(source, output, "--allow-rejected") == 0


def test_duplicates_share_a_group_and_conflicts_are_listed(tmp_path, output):
    files = aptos_files(7)
    folder = "gaussian_filtered_images"
    files[f"{folder}/Severe/img003.png"] = files[f"{folder}/Mild/img001.png"]
    files[f"{folder}/Mild/img006.png"] = encode(picture(0) // 4 * 4)
    del files[f"{folder}/No_DR/img005.png"]
    files[f"{folder}/Moderate/img005.png"] = encode(np.ascontiguousarray(np.rot90(picture(2))))
    files["train.csv"] = files["train.csv"].replace(b"img005,0", b"img005,2")
    run(write_zip(tmp_path / "aptos.zip", files), output)
    group = manifest(output).set_index("path")["group"]
    assert group["images/img003.png"] == group["images/img001.png"] == "img001"
    assert group["images/img006.png"] == group["images/img000.png"] == "img000"
    assert group["images/img005.png"] == group["images/img002.png"] == "img002"
    assert group.nunique() == 4
    doubles = info(output)["duplicates"]
    conflicts = doubles.pop("conflicts")
    assert doubles == {
        "identical_groups": 1,
        "identical_files": 2,
        "conflicting_groups": 1,
        "near_groups": 1,
        "near_files": 2,
        "near_conflicting_groups": 1,
        "turned_pairs": 1,
        "turned_conflicting_pairs": 0,
    }
    assert conflicts["identical"] == [{"images/img001.png": "Mild", "images/img003.png": "Severe"}]
    assert conflicts["near"] == [{"images/img000.png": "No_DR", "images/img006.png": "Mild"}]


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_second_preparation_does_nothing(source, output, capsys, monkeypatch):
    run(source, output)
    before = snapshot(output)
    monkeypatch.setattr(module, "decode_verified", None)
    assert run(source, output) == 0
    assert snapshot(output) == before
    assert "nothing to do" in capsys.readouterr().out


def test_other_options_or_another_source_are_refused(source, output, capsys):
    run(source, output, "--size", "32")
    before = snapshot(output)
    assert run(source, output, "--size", "40") == 2
    error = capsys.readouterr().err
    assert "'size': 32" in error and "'size': 40" in error and "--force" in error
    other = write_zip(source.parent / "other.zip", aptos_files(11))
    assert run(other, output, "--size", "32") == 2
    assert "other.zip" in capsys.readouterr().err
    assert snapshot(output) == before


def test_force_prepares_afresh(source, output):
    run(source, output, "--size", "32")
    (output / "notes.txt").write_text("mine")
    assert run(source, output, "--size", "40", "--force") == 0
    assert set(manifest(output)["width"]) == {"40"}
    assert (output / "notes.txt").read_text() == "mine"


def test_force_prepares_afresh_where_the_folder_is_a_link(source, output, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    output.symlink_to(tmp_path / "elsewhere")
    run(source, output, "--size", "32")
    assert run(source, output, "--size", "40", "--force") == 0
    assert set(manifest(output)["width"]) == {"40"} and output.is_symlink()


def test_a_byte_order_mark_leaves_a_preparation_one(source, output, capsys):
    run(source, output, "--size", "32")
    described = output / "dataset.json"
    described.write_text(described.read_text(), encoding="utf-8-sig")
    assert run(source, output, "--size", "32") == 0
    assert "prepared already" in capsys.readouterr().out
    assert run(source, output, "--size", "40", "--force") == 0


def test_a_second_process_is_kept_out_of_a_folder_until_the_first_ends(source, output, capsys):
    with locked(output.with_name(f".{output.name}.lock")):
        assert run(source, output) == 2
    assert "another process prepares images there" in capsys.readouterr().err and not output.exists()
    assert run(source, output) == 0
    assert not list(output.parent.glob(".*.lock"))


def test_force_never_deletes_what_is_no_preparation(source, tmp_path, capsys):
    precious = write_folder(tmp_path / "home", {"images/holiday.jpg": b"x"})
    assert run(source, precious, "--force") == 2
    assert "no preparation" in capsys.readouterr().err
    assert (precious / "images/holiday.jpg").read_bytes() == b"x"


def interrupted(source, output, monkeypatch, after):
    """Prepare until `after` images are done, then fail as a full disk would."""
    decode, count = module.decode_verified, iter(range(after))

    def failing(data, name):
        if next(count, None) is None:
            raise OSError("No space left on device")
        return decode(data, name)

    with monkeypatch.context() as patch:
        patch.setattr(module, "decode_verified", failing)
        assert run(source, output, "--workers", "1") == 2
    assert not (output / "dataset.json").exists() and not (output / "manifest.csv").exists()


def test_interrupted_preparation_goes_on(source, output, tmp_path, monkeypatch, capsys):
    interrupted(source, output, monkeypatch, after=4)
    assert "No space left" in capsys.readouterr().err
    before = snapshot(output / "images")
    assert len(before) == 4
    assert run(source, output) == 0
    assert "6 images in" in capsys.readouterr().out
    assert before.items() <= snapshot(output / "images").items()
    run(source, tmp_path / "whole")
    for name in ("manifest.csv", "rejected.csv", "dataset.json"):
        assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_half_written_line_and_lost_image_are_prepared_again(source, output, monkeypatch, capsys):
    interrupted(source, output, monkeypatch, after=4)
    journal = output / "journal.jsonl"
    journal.write_text(journal.read_text()[:-25])
    next(iter(sorted((output / "images").iterdir()))).unlink()
    assert run(source, output) == 0
    assert "8 images in" in capsys.readouterr().out
    assert len(manifest(output)) == 10
    assert all((output / path).is_file() for path in manifest(output)["path"])


def test_interrupted_preparation_refuses_other_options(source, output, monkeypatch, capsys):
    interrupted(source, output, monkeypatch, after=4)
    assert run(source, output, "--size", "64") == 2
    assert "'size': 64" in capsys.readouterr().err


def test_killed_preparation_goes_on(tmp_path, output, capsys):
    source = write_zip(tmp_path / "aptos.zip", aptos_files(40, side=256))
    arguments = ["--source", str(source), "--output", str(output), "--workers", "1"]
    # Keras' NumPy backend loads faster; no network is built here.
    environment = os.environ | {"KERAS_BACKEND": "numpy"}
    command = [sys.executable, "-c", SLOW_PREPARATION, *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment)
    journal = output / "journal.jsonl"
    while process.poll() is None and (not journal.exists() or journal.read_text().count("\n") < 6):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = journal.read_text().count("\n") - 1
    before = {path: stamp for path, stamp in snapshot(output / "images").items() if path.suffix == ".png"}
    assert 5 <= done < 40
    assert run(source, output) == 0
    assert f"{40 - done} images in" in capsys.readouterr().out
    kept = sum(snapshot(output / "images")[path] == stamp for path, stamp in before.items())
    assert kept >= done
    assert len(manifest(output)) == 40
    assert not [path for path in output.rglob("*") if path.name.endswith((".part", ".jsonl"))]


def test_one_damaged_entry_is_rejected_and_the_rest_prepared(tmp_path, output):
    files = aptos_files(10)
    path = write_zip(tmp_path / "aptos.zip", files)
    pixels = files["gaussian_filtered_images/Mild/img001.png"][60:70]
    path.write_bytes(path.read_bytes().replace(pixels, bytes(10), 1))
    assert run(path, output) == 1
    rejected = pd.read_csv(output / "rejected.csv")
    assert rejected["path"].tolist() == ["gaussian_filtered_images/Mild/img001.png"]
    assert "damaged or encrypted" in rejected["reason"][0]
    assert len(manifest(output)) == 9


def test_oversized_file_is_rejected_unread(source, output, monkeypatch, capsys):
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 500)
    assert run(source, output) == 2  # every image is rejected, so that nothing is left
    error = capsys.readouterr().err
    assert "none of the 10 images can be used" in error and "at most 500 expected" in error
    assert not output.exists()


def test_class_whose_images_are_all_rejected_is_an_error(tmp_path, output, capsys):
    files = aptos_files(10)
    mild = [name for name in files if "/Mild/" in name]
    source = write_zip(tmp_path / "aptos.zip", files | dict.fromkeys(mild, b""))
    assert run(source, output) == 2
    error = capsys.readouterr().err
    assert "['Mild']" in error and "img001.png (empty file)" in error
    assert not output.exists()


def test_names_that_no_file_system_takes_are_rejected(tmp_path, output):
    long = "x" * 245
    files = aptos_files(10)
    for name in (long, "a\nb"):
        files[f"gaussian_filtered_images/Mild/{name}.png"] = encode(picture(len(name)))
        files["train.csv"] += f'"{name}",1\n'.encode()
    assert run(write_zip(tmp_path / "aptos.zip", files), output) == 1
    reasons = sorted(pd.read_csv(output / "rejected.csv")["reason"])
    assert reasons == [
        "name of 245 bytes, at most 240 expected",
        "name with control or undecodable characters",
    ]
    assert len(manifest(output)) == 10


def test_files_of_one_name_and_two_endings_keep_both():
    files = [
        LabelledFile(name, name.rpartition(".")[0], "x") for name in ("a.jpg", "a.png", "b.png", "A/a.png")
    ]
    assert [file.image_id for file in with_distinct_ids(files)] == ["a.jpg", "a.png", "b", "A/a"]
    with pytest.raises(PreparationError, match="capitals, 2: a.jpg, A.JPG"):
        with_distinct_ids([LabelledFile("a.jpg", "a", "x"), LabelledFile("A.JPG", "A", "x")])


def test_output_inside_the_source_is_refused(tmp_path, capsys):
    folder = write_folder(tmp_path / "photos", aptos_files(5))
    assert run(folder, folder / "prepared") == 2
    assert "lies in the source" in capsys.readouterr().err and not (folder / "prepared").exists()


def test_interrupting_says_in_one_line_how_to_go_on(source, output, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "perceptual_hash", stop)
        assert run(source, output) == 130
    assert "the same command goes on" in capsys.readouterr().err.splitlines()[-1]
    assert run(source, output) == 0
    with monkeypatch.context() as patch:
        patch.setattr(module, "perceptual_hash", stop)
        assert run(source, output, "--force") == 130
    assert capsys.readouterr().err.endswith("; leave out --force, which would begin anew\n")


@pytest.mark.parametrize("arguments", [["--size", "4"], ["--workers", "0"], ["--crop", "left"]])
def test_wrong_arguments_are_refused(source, output, arguments, capsys):
    with pytest.raises(SystemExit) as error:
        run(source, output, *arguments)
    assert error.value.code == 2 and not output.exists()


def test_workers_do_not_change_the_result(source, tmp_path):
    run(source, tmp_path / "one", "--workers", "1")
    run(source, tmp_path / "four", "--workers", "4")
    for name in ("manifest.csv", "dataset.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "four" / name).read_bytes()
