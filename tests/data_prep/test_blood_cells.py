"""data_prep.blood_cells: the three layouts, what is injected, bad input, and the real archive."""

import io
import json
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest

from data_prep.blood_cells import ACEVEDO_COUNTS, CLASSES, ArrayFile, main
from data_prep.outlier_injection import blend, plan_injections
from data_prep.sources import PreparationError
from drcls.data import load_manifest, read_injected
from drcls.data.overlays import TEST_OVERLAYS, TRAIN_OVERLAYS, draw_overlay
from tests.data_prep.imitations import encode, picture, write_folder, write_zip

SIDE = 24


def cell_files(per_class=3, suffix=".jpg"):
    """Imitate Acevedo's layout; return dict, name -> bytes."""
    return {
        f"PBC_dataset_normal_DIB/{name}/{name[:2].upper()}_{number}{suffix}": encode(
            picture(100 * place + number, SIDE), suffix
        )
        for place, name in enumerate(CLASSES)
        for number in range(per_class)
    }


def arrays(number=24, seed=0):
    images = np.stack([picture(seed + row, SIDE) for row in range(number)])
    return {"images": images, "labels": np.arange(number)[:, None] % 8}


def run(source, output, *arguments):
    return main(["--source", str(source), "--output", str(output), "--size", str(SIDE), *arguments])


def info(output):
    return json.loads((output / "dataset.json").read_text())


@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_acevedos_folders_and_zip(tmp_path, write, capsys):
    source = write(tmp_path / "PBC.zip", cell_files() | {"PBC_dataset_normal_DIB/Read me.txt": b"?"})
    assert run(source, tmp_path / "out") == 0
    manifest = load_manifest(tmp_path / "out")
    assert manifest.classes == CLASSES and manifest.counts().tolist() == [3] * 8
    assert manifest.frame["path"][0] == "images/basophil/BA_0.jpg"
    assert read_injected(manifest) is None and not (tmp_path / "out" / "injected.csv").exists()
    assert info(tmp_path / "out")["counts_check"]["differences"]["basophil"] == 3 - 1218
    assert "(1218 in the original of 17,092 images" in capsys.readouterr().out


def test_the_original_has_17092_images():
    assert sum(ACEVEDO_COUNTS.values()) == 17_092


def test_the_papers_numpy_file(tmp_path):
    content = arrays()
    np.savez(tmp_path / "training_set.npz", **content)
    assert run(tmp_path / "training_set.npz", tmp_path / "out") == 0
    manifest = load_manifest(tmp_path / "out")
    assert manifest.counts().tolist() == [3] * 8
    assert manifest.frame["label"].tolist()[:9] == [*CLASSES, CLASSES[0]]
    found = cv2.imread(str(manifest.paths[5]))[..., ::-1]
    np.testing.assert_array_equal(found, content["images"][5])


def test_bloodmnist_keeps_its_parts(tmp_path):
    parts = {name: arrays(8, seed) for seed, name in ((0, "train"), (50, "val"), (90, "test"))}
    content = {f"{name}_{key}": value for name, part in parts.items() for key, value in part.items()}
    np.savez(tmp_path / "bloodmnist_64.npz", **content)
    assert run(tmp_path / "bloodmnist_64.npz", tmp_path / "out") == 0
    manifest = load_manifest(tmp_path / "out")
    assert manifest.frame["source_split"].value_counts().to_dict() == {"train": 8, "val": 8, "test": 8}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": np.zeros(3), "y": np.zeros(3)}, r"has the keys \['x', 'y'\]; expected images, labels"),
        ({"train_images": arrays()["images"]}, "has the keys .'train_images'.; expected"),
        (arrays() | {"labels": np.arange(24) - 1}, "labels must be 0..7; others, .*image 0: -1"),
        (arrays() | {"labels": np.arange(24) % 9}, "labels must be 0..7; others, 2: image 8: 8"),
        (arrays() | {"labels": np.zeros(24)}, r"labels are float64 \(24,\), expected integers"),
        (arrays() | {"labels": np.zeros(5, int)}, r"labels are int64 \(5,\).*each of 24 images"),
        (arrays() | {"images": np.zeros((24, 8, 8))}, r"images are float64 \(24, 8, 8\), expected uint8"),
        (arrays() | {"images": arrays()["images"] / 255}, "images are float64"),
        (arrays() | {"images": np.zeros((0, 8, 8, 3), np.uint8)}, "N > 0"),
    ],
)
def test_other_numpy_files_are_refused(tmp_path, content, message):
    np.savez(tmp_path / "cells.npz", **content)
    with pytest.raises(PreparationError, match=message):
        ArrayFile(tmp_path / "cells.npz", CLASSES)


class Bomb:
    """What a hostile file would run when unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickled object was loaded",))


def test_pickled_objects_are_never_loaded(tmp_path, capsys):
    mixed = np.empty(2, object)
    mixed[:] = [Bomb(), Bomb()]
    np.savez(tmp_path / "cells.npz", images=mixed, labels=np.zeros(2, int))
    assert run(tmp_path / "cells.npz", tmp_path / "out") == 2
    assert "pickled Python objects, which are never loaded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 but no more", b"not a zip"])
def test_damaged_numpy_files_are_refused(tmp_path, data):
    (tmp_path / "cells.npz").write_bytes(data)
    with pytest.raises(PreparationError, match=r"cells.npz cannot be read.*expected an .npz"):
        ArrayFile(tmp_path / "cells.npz", CLASSES)


def write_array(path):
    with path.open("wb") as file:
        np.save(file, arrays()["images"])


def write_bytes_as_members(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", "hello")
        archive.writestr("labels", "hello")


def write_flipped_bits(path):
    np.savez_compressed(path, **arrays())
    data = bytearray(path.read_bytes())
    data[200:5000:37] = bytes(byte ^ 0x5A for byte in data[200:5000:37])
    path.write_bytes(data)


def write_claim_of_terabytes(path):
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 96, 96, 3)}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue())
        archive.writestr("labels.npy", header.getvalue())


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_array, "it is no zip archive"),
        (write_bytes_as_members, r"images are \|S5 \(\), expected uint8"),
        (write_flipped_bits, "cannot be read: .*decompress"),
        (write_claim_of_terabytes, "cannot be read: Unable to allocate"),
    ],
)
def test_files_that_only_claim_to_hold_arrays_are_refused(tmp_path, write, message):
    write(tmp_path / "cells.npz")
    with pytest.raises(PreparationError, match=message):
        ArrayFile(tmp_path / "cells.npz", CLASSES)


def test_a_missing_numpy_file_is_named(tmp_path):
    with pytest.raises(PreparationError, match=r"nowhere.npz does not exist; an .npz file was expected"):
        ArrayFile(tmp_path / "nowhere.npz", CLASSES)


def test_an_empty_class_folder_is_named(tmp_path, capsys):
    files = {name: data for name, data in cell_files().items() if "/monocyte/" not in name}
    source = write_folder(tmp_path / "cells", files)
    (source / "PBC_dataset_normal_DIB" / "monocyte").mkdir()
    assert run(source, tmp_path / "out") == 2
    assert "no image in the class folders ['monocyte']" in capsys.readouterr().err


def test_a_ninth_class_is_named(tmp_path, capsys):
    files = cell_files() | {"PBC_dataset_normal_DIB/blast/BL_1.jpg": encode(picture(999, SIDE), ".jpg")}
    assert run(write_zip(tmp_path / "cells.zip", files), tmp_path / "out") == 2
    assert "unknown labels, 1: blast/BL_1 -> 'blast'" in capsys.readouterr().err


def test_images_of_mixed_size_are_refused_but_not_a_pixel_more_or_less(tmp_path, capsys):
    files = cell_files()
    files["PBC_dataset_normal_DIB/ig/IG_0.jpg"] = encode(picture(7, SIDE + 2), ".jpg")
    assert run(write_zip(tmp_path / "close.zip", files), tmp_path / "close") == 0
    files["PBC_dataset_normal_DIB/ig/IG_1.jpg"] = encode(picture(8, 2 * SIDE), ".jpg")
    assert run(write_zip(tmp_path / "mixed.zip", files), tmp_path / "mixed") == 2
    expected = (
        "mixed size; expected 24 x 24 pixels within a tenth; others, 1: PBC_dataset_normal_DIB/ig/IG_1.jpg"
    )
    assert f"{expected} 48 x 48" in capsys.readouterr().err and not (tmp_path / "mixed").exists()


def test_another_layout_is_one_clear_error(tmp_path, capsys):
    assert run(write_zip(tmp_path / "x.zip", {"readme.txt": b"hello"}), tmp_path / "out") == 2
    assert "no CLASS/NAME.jpg among 1 files" in capsys.readouterr().err


# --- What is injected


@pytest.mark.parametrize("kind", ["folder", "arrays"])
def test_injected_images_are_listed_and_share_the_group_of_their_cell(tmp_path, kind, capsys):
    if kind == "folder":
        source = write_zip(tmp_path / "cells.zip", cell_files(per_class=4))
    else:
        np.savez(source := tmp_path / "cells.npz", **arrays(32))
    assert run(source, tmp_path / "out", "--inject-outliers", "18") == 0
    manifest = load_manifest(tmp_path / "out")
    injected = pd.Series(read_injected(manifest))
    assert injected.value_counts().to_dict() == {
        "": 32,
        "overlay of house": 16,
        "overlay of boat": 2,
        "duplicate": 2,
    }
    assert info(tmp_path / "out")["injected"] == {
        "duplicate": 2,
        "overlay of boat": 2,
        "overlay of house": 16,
    }
    frame = manifest.frame.assign(injected=injected)
    genuine = frame[frame["injected"] == ""]
    assert set(frame["group"]) == set(genuine["group"])
    label = dict(zip(genuine["group"], genuine["label"], strict=True))
    assert (frame["group"].map(label) == frame["label"]).all()
    copies = frame[frame["injected"] == "duplicate"]
    assert set(copies["sha256"]) <= set(genuine["sha256"])
    assert not set(frame.loc[injected.str.startswith("overlay"), "sha256"]) & set(genuine["sha256"])
    assert "injected: 2 x duplicate, 2 x overlay of boat, 16 x overlay of house" in capsys.readouterr().out


def test_the_same_seed_plants_the_same_and_another_is_another_preparation(tmp_path, capsys):
    source = write_zip(tmp_path / "cells.zip", cell_files())
    for name in ("one", "two"):
        assert run(source, tmp_path / name, "--inject-outliers", "9", "--seed", "3") == 0
    one, two = (load_manifest(tmp_path / name).frame for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    assert run(source, tmp_path / "one", "--inject-outliers", "9", "--seed", "4") == 2
    assert "was prepared with" in capsys.readouterr().err
    assert run(source, tmp_path / "one", "--force") == 0
    assert not (tmp_path / "one" / "injected.csv").exists()


def test_what_is_injected_on_a_damaged_cell_is_rejected_with_it(tmp_path):
    files = cell_files()
    damaged = [name for name in files if name.endswith("_0.jpg")]
    files |= {name: files[name][:-20] for name in damaged}
    source = write_zip(tmp_path / "cells.zip", files)
    assert run(source, tmp_path / "out", "--inject-outliers", "21") == 1
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv")
    assert set(damaged) < set(rejected["path"]) and len(rejected) == 16
    assert rejected["path"].str.startswith("planted/").sum() == 8
    assert rejected["reason"].str.startswith("truncated or damaged").all()
    injected = read_injected(load_manifest(tmp_path / "out"))
    kinds, numbers = np.unique(injected[injected != ""], return_counts=True)
    assert info(tmp_path / "out")["injected"] == dict(zip(kinds, numbers, strict=True))


@pytest.mark.parametrize("number", ["-1", "24", "1000"])
def test_more_injected_images_than_cells_are_refused(tmp_path, number, capsys):
    source = write_zip(tmp_path / "cells.zip", cell_files())
    assert run(source, tmp_path / "out", "--inject-outliers", number) == 2
    assert f"{number}" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_the_papers_shares_are_injected():
    plan = plan_injections(12_000, 1800, seed=0)
    assert plan["kind"].value_counts().to_dict() == {
        "overlay of house": 1600,
        "overlay of boat": 200,
        "duplicate": 180,
    }
    assert plan["cell"].is_unique
    assert plan.loc[plan["picture"] != "", "opacity"].between(0.35, 0.65).all()


def test_a_blend_lies_between_cell_and_picture():
    cell = picture(0, SIDE)
    house = draw_overlay("house", SIDE, SIDE)
    np.testing.assert_array_equal(blend(cell, "house", 0.0), cell)
    np.testing.assert_array_equal(blend(cell, "house", 1.0), house)
    half = (cell.astype(int) + house) / 2
    assert np.abs(blend(cell, "house", 0.5) - half).max() <= 0.5


def test_the_unrelated_pictures_differ():
    pictures = [draw_overlay(name, 32, 48) for name in (*TRAIN_OVERLAYS, *TEST_OVERLAYS)]
    assert {image.shape for image in pictures} == {(32, 48, 3)} and not set(TRAIN_OVERLAYS) & set(
        TEST_OVERLAYS
    )
    for row, one in enumerate(pictures):
        for other in pictures[:row]:
            assert np.abs(one.astype(int) - other).mean() > 20
    with pytest.raises(ValueError, match="picture must be one of .*received 'cat'"):
        draw_overlay("cat", 32, 32)


@pytest.mark.slow
def test_real_archive(sources, tmp_path):
    source = sources("pbc_bloodcells_96.zip")
    assert main(["--source", str(source), "--output", str(tmp_path / "out")]) == 0
    manifest = load_manifest(tmp_path / "out")
    counts = dict(zip(manifest.classes, manifest.counts().tolist(), strict=True))
    assert len(manifest) == 11_838 and counts["neutrophil"] == 2309 and counts["lymphocyte"] == 852
    assert manifest.info["rejected"] == 0
