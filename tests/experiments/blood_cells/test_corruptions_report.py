"""The tables of corrupted images: means over seeds, the corruption error, and what stronger augmentation bought."""

import pytest

from experiments.blood_cells.corruptions import SEEN
from experiments.blood_cells.corruptions_report import (
    closed,
    corrupted_row,
    gain_row,
    reference_row,
)


def measured(clean, **corrupted):
    """Fabricate what one seed measured: the same accuracy at every severity."""
    return {
        "clean": clean,
        "num_images": 50,
        "image_size": 64,
        "corrupted": {name: [accuracy] * 5 for name, accuracy in corrupted.items()},
    }


def test_the_row_of_corrupted_images_by_hand():
    references = {seed: measured(0.9, blur=0.5, noise=0.6) for seed in (0, 1)}
    found = corrupted_row("net", {0: measured(0.8, blur=0.75, noise=0.8)}, references)
    assert found["clean"] == "80.0" and found["blur"] == "75.0" and found["mean"] == "77.5"
    assert found["mCE"] == "50.0" and found["images"] == "50" and found["pixels"] == "64"
    two = {0: measured(0.8, blur=0.75, noise=0.8), 1: measured(0.6, blur=0.5, noise=0.6)}
    found = corrupted_row("net", two, references)
    assert found["seeds"] == "0, 1" and found["clean"] == "70.0 ± 14.1" and found["mCE"] == "75.0 ± 35.4"
    assert corrupted_row("net", two, {0: references[0]})["mCE"] == "undefined"


def test_the_reference_is_the_first_plain_head():
    runs = [
        {"variant": "net+downsampling", "config": {"kind": "transfer", "downsampling": True}},
        {"variant": "net", "config": {"kind": "transfer", "downsampling": False}},
    ]
    assert reference_row(runs) == "net" and reference_row(runs[:1]) == "net+downsampling"


def test_what_an_augmentation_bought_counts_unseen_corruptions_alone():
    without = measured(0.9, blur=0.5, brightness=0.1, noise=0.1, overlay=0.1)
    with_it = measured(0.8, blur=0.6, brightness=0.9, noise=0.9, overlay=0.9)
    found = gain_row("net+fine_tuned+MixUp", "MixUp", {0: (without, with_it)})
    assert found["corruptions that it did not train on"] == "blur"
    assert found["clean (points)"] == "-10.0" and found["gained (points)"] == "+10.0"
    assert found["without it (%)"] == "50.0" and found["gap to clean closed (%)"] == "25"


@pytest.mark.parametrize("name", [name for name in SEEN if name != "printed"])
def test_nothing_is_counted_as_seen_twice(name):
    assert not set(SEEN["printed"]) & set(SEEN[name])


def test_the_share_of_the_gap_that_was_closed():
    assert closed(0.9, 0.5, 0.6) == "25" and closed(0.9, 0.5, 0.4) == "-25"
    assert closed(0.5, 0.5, 0.6) == "no gap"
