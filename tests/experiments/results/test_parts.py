"""What each part changes: paired differences by hand, and rows that have no partner."""

import numpy as np
import pytest

from experiments.results.parts import parts_table
from experiments.results.predictions import Predictions

BACKBONE = "EfficientNetLite0"


def write(
    results,
    protocol,
    seed,
    row,
    predicted,
    labels=(0, 1, 2, 0),
    experiment="chexnet_cbam",
    data="aptos2019",
    profile="short",
):
    folder = results / experiment / f"{data}-{protocol}-{profile}-s{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    predicted = np.array(predicted, np.uint8)
    Predictions(
        np.eye(3, dtype=np.float16)[predicted],
        predicted,
        np.array(labels, np.uint8),
        np.arange(len(predicted), dtype=np.int32),
        np.zeros(len(predicted), bool),
    ).save(folder / f"{row}.npz")


def cells(table):
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_difference_by_hand(tmp_path):
    write(tmp_path, "clean", 0, BACKBONE, [0, 1, 1, 1])  # 2 of 4
    write(tmp_path, "clean", 0, f"{BACKBONE}_CBAM", [0, 1, 2, 0])  # 4 of 4, both others became right
    write(tmp_path, "clean", 1, BACKBONE, [0, 1, 2, 1])  # 3 of 4
    write(tmp_path, "clean", 1, f"{BACKBONE}_CBAM", [1, 1, 2, 0])  # 3 of 4, one became right and one wrong
    (row,) = cells(parts_table(tmp_path, "chexnet_cbam"))
    assert (row["protocol"], row["part"], row["seeds"]) == ("clean", "CBAM", "0, 1")
    assert row["accuracy % without, with"] == "62.5, 87.5"
    assert row["answers that became right, wrong"] == "3, 1"
    assert row["by seed"] == "+50.0, +0.0"
    assert row["difference in points, 95 % interval over groups of images"].startswith("+25.0 (")
    # The t quantile of one degree of freedom is 12.706, the standard error 25.
    assert row["95 % interval over seeds"] == "-292.7 to +342.7"


def test_a_network_without_a_part_stands_beside_the_whole_one(tmp_path):
    write(tmp_path, "clean", 0, "without_wavelet", [0, 1, 1, 1], experiment="multiscale_attention")
    write(tmp_path, "clean", 0, "MultiScaleAttention", [0, 1, 2, 0], experiment="multiscale_attention")
    (row,) = cells(parts_table(tmp_path, "multiscale_attention"))
    assert (row["part"], row["accuracy % without, with"]) == ("the wavelets", "50.0, 100.0")
    # Without: the classes have recall 1/2, 1 and 0, on average 1/2.
    assert row["macro recall: difference in points, over groups of images"].startswith("+50.0 (")


def test_two_losses_are_compared_on_their_own_data(tmp_path):
    places = {"experiment": "canine_rbc_focal", "data": "chula_rbc", "profile": "long"}
    for seed, answers in enumerate(([0, 1, 2, 0], [0, 1, 1, 1])):
        write(tmp_path, "clean", seed, "tiny_densenet+cross_entropy", [0, 1, 1, 1], **places)
        write(tmp_path, "clean", seed, "tiny_densenet+focal_1.75", answers, **places)
    (row,) = cells(parts_table(tmp_path, "canine_rbc_focal"))
    assert row["part"] == "focal loss, alpha 1.75, instead of cross-entropy"
    # Macro F1 gains 11/18 with one seed and nothing with the other; the t quantile is 12.706.
    low, high = 100 * 11 / 36 * (1 - 12.7062), 100 * 11 / 36 * (1 + 12.7062)
    assert row["macro F1: 95 % interval over seeds"] == f"{low:+.1f} to {high:+.1f}"


def test_rows_without_the_backbone_alone_are_left_out(tmp_path):
    write(tmp_path, "paper", 0, f"{BACKBONE}_Transformer", [0, 1, 2, 0])
    assert parts_table(tmp_path, "chexnet_cbam") == "None measured yet.\n"


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_and_seeds_of_different_test_images_are_refused(tmp_path, seed):
    for number in (0, 1):
        write(tmp_path, "paper", number, BACKBONE, [0, 1, 1, 1])
        write(tmp_path, "paper", number, f"{BACKBONE}_CBAM", [0, 1, 1, 1])
    write(tmp_path, "paper", seed, f"{BACKBONE}_CBAM", [0, 1, 1, 1], labels=(1, 1, 2, 0))
    with pytest.raises(ValueError, match="other labels in one run"):
        parts_table(tmp_path, "chexnet_cbam")
