"""The synthetic blood cells: what is drawn, what is injected, and that it can be learned but not by heart."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from data_prep.blood_cells import CLASSES
from data_prep.phantoms.cell import draw_cell
from data_prep.phantoms.leukocytes import COUNTS, MIN_IMAGES, main, plan_images, write_leukocytes
from drcls.data import load_manifest, read_injected, split

NUM_IMAGES = 160


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_leukocytes(tmp_path_factory.mktemp("data") / "cells", NUM_IMAGES, 32, seed=3, progress=False)


@pytest.fixture(scope="module")
def manifest(phantom):
    return load_manifest(phantom)


@pytest.mark.parametrize("size", [32, 150])
@pytest.mark.parametrize("label", range(8))
def test_image_and_mask_have_the_promised_form(label, size):
    image, mask = draw_cell(label, np.random.default_rng(label), size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert mask.shape == (size, size) and mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    rows, columns = np.nonzero(mask)
    assert abs(rows.mean() / size - 0.5) < 0.15 and abs(columns.mean() / size - 0.5) < 0.15


def typical(name, number=12):
    return [draw_cell(CLASSES.index(name), np.random.default_rng(seed), 64) for seed in range(number)]


def test_cells_look_as_their_names_say():
    area = {name: np.mean([(mask > 0).mean() for _, mask in typical(name)]) for name in CLASSES}
    assert area["platelet"] < area["lymphocyte"] < area["monocyte"]
    assert area["erythroblast"] < area["ig"]
    colour = {
        name: np.mean([image[mask > 0].mean(axis=0) for image, mask in typical(name)], axis=0)
        for name in CLASSES
    }
    redness = {name: values[0] - values[2] for name, values in colour.items()}
    assert redness["eosinophil"] == max(redness.values())
    darkest = min(colour, key=lambda name: colour[name].sum())
    assert darkest in ("basophil", "lymphocyte")


@pytest.mark.parametrize(
    ("label", "size", "message"), [(8, 64, "0..7.*got 8"), (0, 31, "at least 32.*got 31")]
)
def test_bad_labels_and_sizes_are_refused(label, size, message):
    with pytest.raises(ValueError, match=message):
        draw_cell(label, np.random.default_rng(0), size)


@pytest.mark.parametrize("num_images", [MIN_IMAGES, 601, 3000])
def test_plan_keeps_its_promises(num_images):
    plan = plan_images(num_images, 0)
    assert len(plan) == num_images
    genuine, injected = plan[plan["kind"] == ""], plan[plan["kind"] != ""]
    counts = np.bincount(genuine["label"], minlength=8)
    assert counts.min() >= 8
    if num_images == 3000:
        assert np.abs(counts - len(genuine) * COUNTS / COUNTS.sum()).max() <= 1
    assert (injected["kind"] != "duplicate").sum() == round(num_images * 1800 / 13759)
    sources = plan.loc[injected["source"]]
    assert (sources["kind"] == "").all() and sources.index.is_unique
    for column in ("label", "patient"):
        assert (sources[column].to_numpy() == injected[column].to_numpy()).all()
    for what in (plan["label"], plan["kind"] == ""):
        assert abs(np.corrcoef(plan.index, what)[0, 1]) < 0.25


def test_manifest_and_injected_agree_with_the_files(manifest):
    assert len(manifest) == NUM_IMAGES and manifest.info["phantom"] and manifest.classes == CLASSES
    injected = read_injected(manifest)
    assert (injected == "duplicate").sum() == manifest.info["injected"]["duplicate"] == 2
    assert (injected == "overlay of house").sum() == manifest.info["injected"]["overlay of house"] == 19
    assert manifest.info["duplicates"]["identical_groups"] == 2
    for path, digest in zip(manifest.paths, manifest.frame["sha256"], strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    house = [cv2.imread(str(path)) for path in np.array(manifest.paths)[injected == "overlay of house"]]
    cells = [cv2.imread(str(path)) for path in np.array(manifest.paths)[injected == ""]]
    # The lawn: green stands out below.
    greener = [
        np.mean([float((i[-6:, :, 1] > i[-6:, :, 2]).mean()) for i in images]) for images in (house, cells)
    ]
    assert greener[0] > 0.7 and greener[1] < 0.5


def test_every_part_of_a_clean_split_has_every_class(manifest):
    genuine = manifest.select(np.flatnonzero(read_injected(manifest) == ""))
    parts = split(genuine, (0.7, 0.1, 0.2), 0, "grouped")
    assert all(part.counts().all() for part in parts.values())


def test_same_seed_same_bytes_and_a_second_run_draws_nothing(phantom, tmp_path):
    before = {path.name: path.read_bytes() for path in (phantom / "images").iterdir()}
    again = write_leukocytes(tmp_path / "again", NUM_IMAGES, 32, seed=3, progress=False)
    assert {path.name: path.read_bytes() for path in (again / "images").iterdir()} == before
    assert (again / "injected.csv").read_bytes() == (phantom / "injected.csv").read_bytes()
    written = (again / "manifest.csv").stat().st_mtime_ns
    write_leukocytes(again, NUM_IMAGES, 32, seed=3, progress=False)
    assert (again / "manifest.csv").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images": MIN_IMAGES - 1}, "num_images must be at least 120.*got 119"),
        ({"size": 31}, "size must be at least 32.*got 31"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_leukocytes(tmp_path / "cells", **options)
    assert not any(tmp_path.iterdir())


def test_command_line(tmp_path, capsys):
    main(["--output", str(tmp_path / "cells"), "--num-images", "120", "--size", "32"])
    assert json.loads((tmp_path / "cells" / "dataset.json").read_text())["name"] == "leukocytes_phantom"
    assert "'neutrophil'" in capsys.readouterr().out


@pytest.mark.slow
def test_pixels_tell_the_classes_apart_but_not_perfectly(tmp_path):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import cross_val_predict

    manifest = load_manifest(write_leukocytes(tmp_path / "cells", 600, 64, progress=False))
    manifest = manifest.select(np.flatnonzero(read_injected(manifest) == ""))
    pixels = [
        cv2.resize(cv2.imread(str(path)), (24, 24), interpolation=cv2.INTER_AREA) for path in manifest.paths
    ]
    predicted = cross_val_predict(
        ExtraTreesClassifier(300, random_state=0),
        np.reshape(pixels, (len(pixels), -1)),
        manifest.labels,
        cv=4,
    )
    assert 0.4 < np.mean(predicted == manifest.labels) < 0.95  # 0.2 by calling every cell a neutrophil
