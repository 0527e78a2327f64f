"""data_prep.samples: small, licensed, complete; what was planted is what the audit finds."""

import csv
import zipfile

import pytest

from data_prep.canine_rbc import prepare_cells
from data_prep.folder import prepare_folder
from data_prep.samples import SAMPLES, sample_path, write_sample
from data_prep.samples.data_sets import prepare_blood_cells_sample, prepare_red_cells_sample
from data_prep.samples.draw import CELLS, main
from data_prep.sources import PreparationError, Source
from drcls.data import folds, load_manifest, split, subsample_to_majority_share
from drcls.data.audit import audit


def test_samples_are_small_and_name_their_licences():
    assert sum(sample_path(name).stat().st_size for name in SAMPLES) < 4e6
    with zipfile.ZipFile(sample_path("blood_cells")) as archive:
        assert b"creativecommons.org/licenses/by/4.0" in archive.read("LICENCE.txt")
    with zipfile.ZipFile(sample_path("red_cells")) as archive:
        assert b"MIT License" in archive.read("LICENSE")


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_is_written_once_and_never_over_other_files(name, tmp_path):
    folder = write_sample(name, tmp_path / "sample")
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    lost = next(iter(sorted(path for path in written if path.suffix == ".jpg")))
    lost.unlink()
    write_sample(name, folder)
    assert {path for path in folder.rglob("*") if path.is_file()} == set(written)
    assert sum(path.stat().st_mtime_ns != stamp for path, stamp in written.items()) == 1
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(PreparationError, match="holds other files than this sample, first mine.txt"):
        write_sample(name, folder)
    assert (folder / "mine.txt").read_text() == "mine"


def test_unknown_sample_is_one_clear_error(tmp_path):
    with pytest.raises(PreparationError, match="'eyes'; there are blood_cells, red_cells"):
        write_sample("eyes", tmp_path)


def test_audit_of_the_blood_cells_finds_what_was_planted_and_nothing_else(tmp_path):
    folder = write_sample("blood_cells", tmp_path / "sample")
    info = prepare_folder(folder, tmp_path / "cells", size=96)
    planted = list(csv.DictReader((folder / "PLANTED.csv").open()))
    assert info["rejected"] == 0 and sum(info["counts"].values()) == sum(CELLS.values()) + len(planted) == 402
    manifest = load_manifest(tmp_path / "cells")
    pairs = audit(manifest)["pairs"]
    assert {kind: found["pairs"] for kind, found in pairs.items()} == {
        "identical": 2,
        "near-identical": 2,
        # Of the mirrored copy with the cell and with the cell stored again.
        "turned or mirrored": 4,
    }
    named = {row["file"] for row in planted} | {row["copy_of"] for row in planted}
    found = {
        pair[side]["path"]
        for kind in pairs.values()
        for pair in kind["listed"]
        for side in ("first", "second")
    }
    assert {path.removeprefix("images/") for path in found} <= named
    assert all(part.counts().all() for part in split(manifest, (0.7, 0.1, 0.2), 0, "grouped").values())


def test_red_cells_are_cut_and_can_be_split_by_smears(tmp_path):
    with Source(sample_path("red_cells")) as source:
        info, folder = prepare_cells(source, tmp_path / "cells", size=64)
    manifest = load_manifest(folder)
    assert info["cells"]["smears"] == 12 and manifest.frame["group"].nunique() == 12
    assert all(part.counts().all() for part in split(manifest, (0.7, 0.1, 0.2), 0, "grouped").values())


def test_both_become_data_sets_that_say_what_they_are(tmp_path):
    cells = prepare_blood_cells_sample(tmp_path / "cells")
    assert cells["name"] == "blood_cells_sample" and not cells["phantom"] and "counts_check" not in cells
    assert cells["injected"] == {"duplicate": 6, "overlay of boat": 7, "overlay of house": 53}
    assert sum(cells["counts"].values()) == 402 + 66
    assert cells["sample"].startswith("A sample of real images: 402 blood cells of Acevedo et al. 2020, six")
    assert "CC BY 4.0" in cells["sample"] and "not comparable with the paper's" in cells["sample"]
    assert prepare_blood_cells_sample(tmp_path / "cells") == cells
    red = prepare_red_cells_sample(tmp_path / "red")
    number = sum(red["counts"].values())
    assert red["sample"].startswith(
        f"A sample of real images: {number} red cells of humans, cut out of 12 smears"
    )
    assert "MIT" in red["sample"] and number == len(load_manifest(tmp_path / "red"))


def test_a_whole_data_set_is_no_sample(tmp_path):
    prepare_folder(write_sample("blood_cells", tmp_path / "sample"), tmp_path / "cells", size=96)
    assert "sample" not in load_manifest(tmp_path / "cells").info


def test_every_part_and_fold_of_the_red_cells_holds_every_class(tmp_path):
    prepare_red_cells_sample(tmp_path / "red")
    manifest = load_manifest(tmp_path / "red")
    for share in (None, 0.5, 0.8, 0.95):  # of the quick profile
        part = manifest if share is None else subsample_to_majority_share(manifest, share, 0)
        for strategy in ("grouped", "random"):
            divided = split(part, (0.7, 0.3), 0, strategy)
            assert all(half.counts().all() for half in divided.values()), (share, strategy)
    for strategy in ("grouped", "random"):
        train = split(manifest, (0.7, 0.3), 0, strategy)["train"]
        for number in (2, 5):
            for fold in folds(train, number, 0, keep_groups=strategy == "grouped"):
                assert all(half.counts().all() for half in fold), (strategy, number)


@pytest.mark.slow
def test_the_script_draws_the_committed_bytes(sources, tmp_path, monkeypatch):
    committed = {name: sample_path(name).read_bytes() for name in SAMPLES}
    monkeypatch.setattr("data_prep.samples.draw.sample_path", lambda name: tmp_path / f"{name}.zip")
    cells, smears = sources("pbc_bloodcells_96.zip"), sources("chula_rbc_smears.zip")
    assert main(["--blood-cells", str(cells), "--smears", str(smears)]) == 0
    assert {name: (tmp_path / f"{name}.zip").read_bytes() for name in SAMPLES} == committed
