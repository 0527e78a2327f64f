"""The table of corrupted images: means over seeds and the corruption error."""

from experiments.blood_cells.corruptions_report import corrupted_row, reference_row


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
