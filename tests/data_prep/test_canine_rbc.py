"""data_prep.canine_rbc: from smears to a prepared data set of cells, and what is left out and counted."""

import json
import shutil
import zipfile

import cv2
import numpy as np
import pytest

from data_prep.canine_rbc import main
from data_prep.phantoms.smear import write_smears
from data_prep.smears import CLASSES
from drcls.data import load_manifest
from drcls.data.image_ops import decode_image, read_image
from tests.data_prep.imitations import encode, picture, write_folder, write_zip


def run(source, output, *arguments):
    return main(["--source", str(source), "--output", str(output), "--workers", "2", *arguments])


def cells_of(output):
    return json.loads((output / "dataset.json").read_text())["cells"]


def smear_of(path):
    return path.stem.rsplit("_", 1)[0]


def chula_like(smears, folder, **changed):
    """Copy smears without what makes them phantoms; `changed` holds new contents of files."""
    shutil.copytree(smears, folder, ignore=shutil.ignore_patterns("*.json", "*.csv"))
    return write_folder(folder, changed)


def relabelled(smears, number, lines):
    """Return dict of a label file with more lines."""
    name = f"Label/{number:03d}.txt"
    return {name: (smears / name).read_bytes() + lines}


@pytest.fixture(scope="module")
def prepared(smears, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "cells"
    assert run(smears, output, "--size", "64") == 0
    return output


def test_cells_of_a_phantom_are_prepared_by_smear(prepared, smears):
    manifest = load_manifest(prepared)
    drawn = json.loads((smears / "smears.json").read_text())["counts"]
    assert manifest.classes == CLASSES and manifest.info["phantom"]
    assert manifest.info["name"] == "smear_phantom"
    counts = dict(zip(CLASSES, manifest.counts().tolist(), strict=True))
    assert all(0.9 * drawn[name] <= counts[name] <= drawn[name] for name in CLASSES)
    assert (manifest.frame["group"] == [smear_of(path) for path in manifest.paths]).all()
    images = [read_image(path) for path in manifest.paths]
    assert {image.shape for image in images} == {(64, 64, 3)}
    # A median cell is 64 / 1.25 pixels wide, so most are framed by zeros.
    assert np.mean([not image[0].any() for image in images]) > 0.5
    assert cv2.imread(str(prepared / "stages.png")).shape[1] > 1000


def test_every_label_and_circle_is_accounted_for(prepared, smears):
    manifest, cells = load_manifest(prepared), cells_of(prepared)
    labels = sum(len(path.read_text().splitlines()) for path in (smears / "Label").iterdir())
    assert sum(cells["labels"].values()) == labels
    assert sum(cells["labels_without_cell"].values()) == labels - len(manifest)
    assert cells["circles"] == len(manifest) + cells["unlabelled"] + cells["label_beyond_reach"]
    assert 0 < cells["border"] < len(manifest) and 0 < cells["touching"] < len(manifest)
    assert cells["shrunk"] < 0.05 * len(manifest)
    assert cells["smears"] == 6 and not cells["skipped_smears"]


def test_preparing_again_does_nothing_and_elsewhere_gives_the_same(prepared, smears, tmp_path, capsys):
    assert run(smears, prepared, "--size", "64") == 0
    assert "prepared already" in capsys.readouterr().out
    assert run(smears, tmp_path / "again", "--size", "64") == 0
    for name in ("manifest.csv", "dataset.json"):
        assert (tmp_path / "again" / name).read_bytes() == (prepared / name).read_bytes()
    assert run(smears, prepared, "--size", "64", "--reach", "0.3") == 2
    assert "asked for is" in capsys.readouterr().err


def test_sizes_hold_the_same_cells(prepared, smears, tmp_path):
    assert run(smears, tmp_path / "large", "--size", "96") == 0
    small, large = load_manifest(prepared), load_manifest(tmp_path / "large")
    assert small.frame["path"].tolist() == large.frame["path"].tolist()
    before, after = read_image(small.paths[0]), read_image(large.paths[0])
    difference = cv2.resize(after, (64, 64), interpolation=cv2.INTER_AREA).astype(int) - before
    assert np.abs(difference).mean() < 12


def test_labelled_centres_need_no_detection(smears, tmp_path):
    assert run(smears, tmp_path / "cells", "--size", "64", "--centres", "labelled") == 0
    drawn = json.loads((smears / "smears.json").read_text())["counts"]
    info = load_manifest(tmp_path / "cells").info
    assert info["counts"] == drawn and not info["cells"]["labels_without_cell"]


def test_other_types_and_labels_outside_are_counted(smears, tmp_path, capsys):
    lines = b"-3 10 0\n10 240 4\n320 10 0\n"
    first = (smears / "Label" / "001.txt").read_text().splitlines()
    others = "\n".join(f"{x} {y} 3" for x, y, _ in map(str.split, first)).encode()
    changed = relabelled(smears, 0, lines) | {"Label/001.txt": others}
    source = chula_like(smears, tmp_path / "s", **changed)
    assert run(source, tmp_path / "cells", "--size", "64") == 0
    cells, manifest = cells_of(tmp_path / "cells"), load_manifest(tmp_path / "cells")
    assert cells["labels_outside_image"] == 3
    assert cells["circles_of_other_types"]["spherocyte"] > 0.9 * len(first)
    assert manifest.info["name"] == "chula_rbc" and not manifest.info["phantom"]
    assert "001" not in {smear_of(path) for path in manifest.paths}
    assert "outside their image 3" in capsys.readouterr().out


def test_an_unknown_type_is_one_clear_error(smears, tmp_path, capsys):
    source = chula_like(smears, tmp_path / "s", **relabelled(smears, 2, b"10 10 99\n"))
    assert run(source, tmp_path / "cells") == 2
    assert "Label/002.txt: unknown cell types" in capsys.readouterr().err
    assert not (tmp_path / "cells").exists()


def test_smears_that_cannot_be_used_are_named_and_counted(smears, tmp_path, capsys):
    inverted = encode(255 - read_image(smears / "Dataset/000.jpg"), ".jpg")
    blank = encode(np.full((240, 320, 3), 200, np.uint8), ".jpg")
    changed = {"Dataset/000.jpg": inverted, "Dataset/001.jpg": blank, "Dataset/002.jpg": b"no image"}
    source = chula_like(smears, tmp_path / "s", **changed)
    assert run(source, tmp_path / "cells", "--size", "64") == 1
    skipped = cells_of(tmp_path / "cells")["skipped_smears"]
    assert skipped["000"].startswith("colour-inverted") and skipped["001"].startswith("no cells")
    assert skipped["002"].startswith("not an image of a known format")
    assert "skipped 000: colour-inverted" in capsys.readouterr().out
    assert run(source, tmp_path / "cells", "--size", "64", "--allow-rejected") == 0


@pytest.mark.parametrize("centres", ["detected", "labelled"])
def test_exchanged_axes_are_an_error(smears, tmp_path, centres, capsys):
    def exchange(line):
        x, y, kind = line.split()
        return f"{y} {x} {kind}"

    labels = {
        f"Label/{path.name}": "\n".join(map(exchange, path.read_text().splitlines())).encode()
        for path in (smears / "Label").iterdir()
    }
    source = chula_like(smears, tmp_path / "s", **labels)
    assert run(source, tmp_path / "cells", "--size", "64", "--centres", centres) == 2
    assert "would with x and y exchanged" in capsys.readouterr().err
    assert not (tmp_path / "cells").exists()


def test_no_usable_smear_at_all_is_an_error(tmp_path, capsys):
    blank = encode(np.full((240, 320, 3), 200, np.uint8), ".jpg")
    source = write_folder(tmp_path / "s", {"Dataset/1.jpg": blank, "Label/1.txt": b"5 5 0\n"})
    assert run(source, tmp_path / "cells") == 2
    assert "none of the 1 smears can be used" in capsys.readouterr().err


def test_smears_of_one_field_are_one_group(smears, tmp_path):
    again = encode(read_image(smears / "Dataset/003.jpg"), ".jpg")
    changed = {"Dataset/010.jpg": (smears / "Dataset/000.jpg").read_bytes(), "Dataset/013.jpg": again}
    changed |= {f"Label/01{n}.txt": (smears / f"Label/00{n}.txt").read_bytes() for n in (0, 3)}
    source = chula_like(smears, tmp_path / "s", **changed)
    assert run(source, tmp_path / "cells", "--size", "64") == 0
    frame = load_manifest(tmp_path / "cells").frame
    groups = dict(
        zip([path.split("/")[1].split("_")[0] for path in frame["path"]], frame["group"], strict=True)
    )
    assert (groups["010"], groups["013"]) == ("000", "003")
    assert cells_of(tmp_path / "cells")["smears_of_one_field"] == [["000", "010"], ["003", "013"]]


def test_a_cell_is_what_lies_about_its_circle(tmp_path):
    smear = np.full((120, 200, 3), 220, np.uint8)
    for x, y in ((40, 60), (80, 60), (120, 60), (160, 60)):
        cv2.circle(smear, (x, y), 15, (150, 70, 100), -1)
    files = {"Dataset/1.png": encode(smear), "Label/1.txt": b"42 61 0\n80 60 4\n121 60 11\n"}
    assert run(write_folder(tmp_path / "s", files), tmp_path / "cells", "--size", "64") == 0
    manifest = load_manifest(tmp_path / "cells")
    assert sorted(manifest.frame["label"]) == ["codocyte", "hypochromia", "normal"]
    assert cells_of(tmp_path / "cells")["unlabelled"] == 1
    for path in manifest.paths:
        cell = read_image(path)
        dark = (cell[..., 1] > 40) & (cell[..., 1] < 140)
        rows, columns = np.nonzero(dark)
        assert np.allclose([rows.mean(), columns.mean()], 31.5, atol=2.5)
        # 64 pixels are 1.25 diameters.
        assert 2 * np.sqrt(dark.sum() / np.pi) == pytest.approx(64 / 1.25, rel=0.08)


def canine_files():
    folders = ("Normal", "Codocyte", "Hypochromia")
    return {
        f"cells/{folder}/dog_{smear:02d}_{place}{number}.png": encode(
            picture(100 * place + 10 * smear + number, 224)
        )
        for place, folder in enumerate(folders)
        for smear in (1, 2)
        for number in range(2)
    } | {"cells/readme.txt": b"?"}


def test_cells_that_a_pathologist_sorted_are_read(tmp_path):
    source = write_zip(tmp_path / "canine.zip", canine_files())
    assert run(source, tmp_path / "full") == 0
    manifest = load_manifest(tmp_path / "full")
    assert manifest.info["name"] == "canine_rbc" and manifest.counts().tolist() == [4, 4, 4]
    assert sorted(set(manifest.frame["group"])) == ["dog_01", "dog_02"]
    with zipfile.ZipFile(source) as archive:
        original = decode_image(archive.read("cells/Normal/dog_01_00.png"))
    np.testing.assert_array_equal(read_image(tmp_path / "full/images/normal/dog_01_00.png"), original)
    assert manifest.info["counts_check"]["differences"]["normal"] == 4 - 2691
    assert run(source, tmp_path / "quick", "--size", "64") == 0
    assert read_image(load_manifest(tmp_path / "quick").paths[0]).shape == (64, 64, 3)


def test_a_smaller_cell_is_framed_by_zeros(tmp_path):
    files = {f"{name}/1_1.png": encode(picture(n, 200)) for n, name in enumerate(CLASSES)}
    assert run(write_folder(tmp_path / "s", files), tmp_path / "cells") == 0
    image = read_image(tmp_path / "cells/images/normal/1_1.png")
    assert image.shape == (224, 224, 3) and not image[:12].any()
    np.testing.assert_array_equal(image[12:212, 12:212], picture(0, 200))


def test_another_layout_and_repeated_cells_are_refused(tmp_path, capsys):
    assert run(write_folder(tmp_path / "a", {"x/1.png": b""}), tmp_path / "out") == 2
    assert "neither Dataset/N.jpg" in capsys.readouterr().err
    files = {"Normal/1.png": b"", "normal/1.png": b""}
    assert run(write_zip(tmp_path / "b.zip", files), tmp_path / "out") == 2
    assert "several files of one cell" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [("--size", "63"), ("--workers", "0"), ("--reach", "0"), ("--reach", "1.5")]
)
def test_useless_options_are_refused(tmp_path, option, capsys):
    with pytest.raises(SystemExit):
        main(["--source", str(tmp_path), *option])
    assert "expected" in capsys.readouterr().err


def test_force_prepares_afresh_and_spares_foreign_files(tmp_path, capsys):
    source = write_smears(tmp_path / "s", 3, (160, 120), progress=False)
    assert run(source, tmp_path / "out", "--size", "64") == 0
    assert run(source, tmp_path / "out", "--size", "72") == 2
    assert run(source, tmp_path / "out", "--size", "72", "--force") == 0
    assert read_image(load_manifest(tmp_path / "out").paths[0]).shape == (72, 72, 3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert run(source, tmp_path / "mine", "--force") == 2
    assert "holds other files" in capsys.readouterr().err


def test_some_real_smears(sources, tmp_path):
    names = ("7", "14", "259", "268", "274")  # the last two show one field of view
    with zipfile.ZipFile(sources("chula_rbc_smears.zip")) as archive:
        files = {path: archive.read(path) for n in names for path in (f"Dataset/{n}.jpg", f"Label/{n}.txt")}
    assert run(write_folder(tmp_path / "s", files), tmp_path / "out", "--size", "64", "--reach", "1") == 0
    manifest, cells = load_manifest(tmp_path / "out"), cells_of(tmp_path / "out")
    kept = sum(manifest.counts())
    labelled = sum(cells["labels"].get(name, 0) for name in CLASSES)
    assert kept > 0.85 * labelled and cells["smears_of_one_field"] == [["268", "274"]]
    assert 33 < cells["cell_diameter"]["median"] < 45
