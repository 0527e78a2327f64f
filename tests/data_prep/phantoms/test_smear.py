"""data_prep.phantoms.smear: what is written is what is known of it."""

import json

import numpy as np
import pandas as pd
import pytest

from data_prep.phantoms.smear import draw_smear, main, write_smears
from data_prep.smears import CLASSES, list_smears, read_description
from data_prep.sources import Source
from drcls.data.image_ops import read_image


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def known_cells(folder):
    return pd.read_csv(folder / "cells.csv", dtype={"smear": str})


def test_layout_labels_and_counts_agree(smears):
    cells = known_cells(smears)
    with Source(smears) as source:
        listed, description = list_smears(source), read_description(source)
    assert [smear.name for smear in listed] == [f"{number:03d}" for number in range(6)]
    for smear in listed:
        own = cells[cells["smear"] == smear.name]
        assert smear.types == own["label"].tolist()
        assert np.abs(smear.centres - own[["x", "y"]]).to_numpy().max() <= 0.51
        assert read_image(smears / smear.image).shape == (240, 320, 3)
        assert set(smear.types) == set(CLASSES)
    assert description["phantom"] and description["counts"] == cells["label"].value_counts().to_dict()


def test_classes_are_imbalanced_cells_touch_and_lie_across_the_border(smears):
    cells = known_cells(smears)
    assert (cells["label"] == "normal").mean() > 0.6
    border = (cells[["x", "y"]].min(axis=1) < cells["radius"]).sum()
    gaps = []
    for _, own in cells.groupby("smear"):
        place = own[["x", "y"]].to_numpy()
        distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
        radius = own["radius"].to_numpy()
        gaps.append((distance / (radius[:, None] + radius))[np.triu_indices(len(own), 1)])
    gaps = np.concatenate(gaps)
    assert border > 5 and (gaps < 1).sum() > 5 and gaps.min() >= 0.69


def test_smears_differ_in_colour_and_magnification(smears):
    colours = [
        read_image(path).reshape(-1, 3).mean(axis=0) for path in sorted((smears / "Dataset").iterdir())
    ]
    assert np.ptp(colours, axis=0).max() > 15
    assert known_cells(smears).groupby("smear")["radius"].mean().max() > 13


def test_cells_absorb_and_overlaps_absorb_twice():
    image, cells = draw_smear(np.random.default_rng(0), (320, 240))
    green = image[..., 1].astype(float)
    rows, columns = np.indices(green.shape)
    depth = sum(
        ((columns - cell.x) ** 2 + (rows - cell.y) ** 2 <= (0.85 * cell.radius) ** 2)
        for cell in cells.itertuples()
    )
    assert np.median(green[depth == 0]) > np.median(green[depth == 1]) + 30
    assert np.median(green[depth == 1]) > np.median(green[depth >= 2]) + 15


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    first, again, other = (
        contents(write_smears(tmp_path / name, 3, (160, 120), seed=seed, progress=False))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again and first["Dataset/000.jpg"] != other["Dataset/000.jpg"]


def test_a_finished_phantom_stays_and_another_is_not_overwritten(tmp_path):
    folder = write_smears(tmp_path / "a", 3, (160, 120), progress=False)
    stamp = (folder / "smears.json").stat().st_mtime_ns
    assert write_smears(folder, 3, (160, 120), progress=False) == folder
    assert (folder / "smears.json").stat().st_mtime_ns == stamp
    with pytest.raises(FileExistsError, match="asked for was"):
        write_smears(folder, 4, (160, 120), progress=False)
    write_smears(folder, 4, (160, 120), progress=False, force=True)
    assert json.loads((folder / "smears.json").read_text())["options"]["num_smears"] == 4
    (folder / "Label" / "001.txt").unlink()
    write_smears(folder, 4, (160, 120), progress=False)
    assert (folder / "Label" / "001.txt").is_file()


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no smear phantom"):
        write_smears(tmp_path, 3, (160, 120), progress=False, force=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, (160, 120), 0), "num_smears must be at least 3, got 2"),
        ((3, (159, 120), 0), "width must be at least 160, got 159"),
        ((3, (160, 119), 0), "height must be at least 120, got 119"),
        ((3, (160, 120), -1), "seed must be at least 0, got -1"),
    ],
)
def test_useless_options_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_smears(tmp_path / "a", *arguments)


def test_command(tmp_path, capsys):
    main(["--output", str(tmp_path / "a"), "--num-smears", "3", "--width", "160", "--height", "120"])
    assert "'normal'" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--output", str(tmp_path / "a"), "--num-smears", "4"])
    assert "--force" in capsys.readouterr().err
