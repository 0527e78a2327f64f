"""What an augmentation changes on corrupted images: by hand, and the answers it is computed from."""

import numpy as np
import pytest

from experiments.blood_cells.corruption_gains import SEEN, closed, gain_row, gain_rows, packed, unpacked
from tests.experiments.blood_cells.test_corruptions_report import measured


def test_what_an_augmentation_bought_counts_unseen_corruptions_alone():
    without = measured(0.9, blur=0.5, brightness=0.1, noise=0.1, overlay=0.1)
    with_it = measured(0.8, blur=0.6, brightness=0.9, noise=0.9, overlay=0.9)
    found = gain_row("net+fine_tuned+MixUp", ("brightness", "noise", "overlay"), {0: (without, with_it)})
    assert found["corruptions that it did not train on"] == "blur"
    assert found["clean (points)"] == "-10.0" and found["gained (points)"] == "+10.0"
    assert found["without it (%)"] == "50.0" and found["gap to clean closed (%)"] == "25"
    assert found["95 % interval over images"] == "not kept"


def test_answers_are_packed_and_unpacked_without_loss():
    rng = np.random.default_rng(0)
    right = {name: rng.random((5, 13)) < 0.5 for name in ("blur", "noise")}
    kept = measured(1.0, blur=0.5, noise=0.5) | packed({"right": right, "num_images": 13})
    np.testing.assert_array_equal(
        unpacked(kept, ["noise", "blur"]), np.stack([right["noise"], right["blur"]])
    )


def test_every_augmentation_and_averaged_prediction_is_a_row():
    def run(variant, strong, seed=0):
        augmentation = None if variant == "net" else {"gaussian_noise": 10}
        return {
            "variant": variant,
            "seed": seed,
            "config": {"strong_augmentation": strong, "augmentation": augmentation},
        }

    def answers(share):
        right = {"blur": np.arange(50) < share * 50 * np.ones((5, 1)), "noise": np.ones((5, 50), bool)}
        return measured(1.0, blur=share, noise=1.0) | packed({"right": right})

    plain = answers(0.5) | {"tta": answers(0.6) | {"clean": 1.0}}
    rows = gain_rows(
        [
            (run("net+fine_tuned", None), plain),
            (run("net+fine_tuned+AugMix", "AugMix"), answers(0.8)),
            (run("net+fine_tuned+CutMix", "CutMix", seed=1), answers(0.8)),  # no partner with seed 1
        ]
    )
    assert [row["row"] for row in rows] == ["net+fine_tuned, TTA", "net+fine_tuned+AugMix"]
    assert [row["corruptions that it did not train on"] for row in rows] == ["blur", "blur"]
    frozen = gain_rows([(run("net", None), plain)])
    assert frozen[0]["corruptions that it did not train on"] == "blur, noise"
    assert [row["gained (points)"] for row in rows] == ["+10.0", "+30.0"]
    low, high = map(float, rows[1]["95 % interval over images"].split(" to "))
    assert 15 < low < 30 < high < 45


@pytest.mark.parametrize("name", [name for name in SEEN if name != "printed"])
def test_nothing_is_counted_as_seen_twice(name):
    assert not set(SEEN["printed"]) & set(SEEN[name])


def test_the_share_of_the_gap_that_was_closed():
    assert closed(0.9, 0.5, 0.6) == "25" and closed(0.9, 0.5, 0.4) == "-25"
    assert closed(0.5, 0.5, 0.6) == "no gap"
