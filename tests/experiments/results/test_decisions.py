"""Both decisions of a network, from result files of a few numbers."""

import json

import pytest

from experiments.results.decisions import decisions_table

ROW = "MultiScaleAttention"


def write(results, accuracy, times, over, seed=0, variant=ROW, network=None, training=True):
    measures = [
        {"accuracy": value, "macro_recall": value / 2, "macro_f1": value / 4}
        for value in (accuracy, times, over)
    ]
    file = results / "multiscale_attention" / f"aptos2019-clean-short-s{seed}" / f"{variant}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    run = {
        "data": "aptos2019",
        "protocol": "clean",
        "profile": "short",
        "variant": variant,
        "seed": seed,
        "class_names": list("abcde"),
        "metrics": measures[0],
        "prior_corrected": {"times_prior": measures[1], "over_prior": measures[2]},
        "training": {"train_accuracy": 0.9} if training else None,
        "config": {"network": network or {}},
        "split_sha256": "x",
    }
    file.write_text(json.dumps(run))


@pytest.mark.parametrize(
    "network, other", [({}, "88.0, 44.0, 22.0"), ({"balanced": False}, "40.0, 20.0, 10.0")]
)
def test_a_balanced_network_is_multiplied_by_the_frequencies_and_a_plain_one_divided(
    tmp_path, network, other
):
    write(tmp_path, 0.8, 0.88, 0.4, network=network)
    (row,) = decisions_table(tmp_path, "multiscale_attention").splitlines()[2:]
    assert row == f"| clean | `{ROW}` | 80.0, 40.0, 20.0 | {other} | 90.0 | 0 |"


def test_seeds_are_averaged_and_rows_that_trained_nothing_left_out(tmp_path):
    write(tmp_path, 0.8, 0.8, 0.4)
    write(tmp_path, 0.6, 0.8, 0.4, seed=1)
    write(tmp_path, 0.5, 0.5, 0.5, variant="majority", training=False)
    (row,) = decisions_table(tmp_path, "multiscale_attention").splitlines()[2:]
    assert "| 70.0 ± 14.1, 35.0 ± 7.1, 17.5 ± 3.5 | 80.0 ± 0.0" in row and "0, 1 (one split)" in row
