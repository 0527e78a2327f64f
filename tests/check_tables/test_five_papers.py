"""What a careful reader found in the five papers, the rules find from the numbers alone."""

import json
from pathlib import Path

import pytest

from drcls.check_tables import check

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
FOUND = {
    "chexnet_cbam": [
        ("copies_across_the_split", "72.8 %"),
        ("copies_across_the_split", "68.7 %"),
        ("dictionary", "92.8 % on aptos2019"),
        ("dictionary", "88.7 % on ddr, above DenseNet121"),
        ("interval", "94.86 to 97.38 %"),
        ("interval", "implies n = 998"),
        ("interval", "implies n = 2370"),
        ("interval_order", "12 half-widths fall strictly"),
        ("interval_centre", "-0.015 to -0.010"),
        ("claim_intervals_apart", "92.23 to 95.37"),
        ("claim_differ", "p = 0.25"),
        ("diagonal_sum", "3029 of 3133, 96.68 %"),
        ("diagonal", "634 is the number of images with Severe predicted"),
        ("diagonal", "628 is the number of images with Proliferate_DR predicted"),
        ("column_totals", "197 predicted"),
        ("class_weights", "the weights do nothing"),
        ("unseen_recall", "0.60 to 0.70"),
        ("claim_smallest", "91.35"),
        ("claim_less", "91.35 is not below 84.42"),
        ("claim_largest", "94.23 against at most 94.64"),
        ("claim_equal", "13673, 12522"),
        ("claim_equal", "99.45"),
        ("claim_above", "99.36"),
        ("claim_above", "89.14"),
    ],
    "multiscale_attention": [("merging", "30 % of the two classes")],
    "blood_cells": [
        ("common_number", "657 fewer"),
        ("less_than_an_image", "0.28"),
        ("weighted_recall", "0.8732"),
        ("text_against_table", "12.4"),
        ("claim_largest", "87.36"),
    ],
    "canine_rbc_focal": [
        ("false_zero", "973 of 1018 is 95.580"),
        ("matrix_against_table", "macro_f1 0.84368"),
        ("largest_class", "94.99 %"),
        ("stratified", "121/115/782"),
        ("claim_rises_to_peak", "0.87 to 0.72"),
        ("claim_less", "0.95 is not below 0.94"),
        ("claim_trend", "0.57, p 0.18"),
    ],
    "smote_transfer": [("claim_one_vs_rest", "4.9")],
}


@pytest.mark.parametrize("name", FOUND)
def test_findings(name):
    findings = check(json.loads((EXPERIMENTS / name / "published.json").read_text(encoding="utf-8")))
    for rule, shown in FOUND[name]:
        assert any(finding.rule == rule and shown in finding.arithmetic for finding in findings), (
            rule,
            shown,
        )


def test_table_5_and_its_averages_pass():
    findings = check(
        json.loads((EXPERIMENTS / "chexnet_cbam" / "published.json").read_text(encoding="utf-8"))
    )
    of_table_5 = [
        finding for finding in findings if any(place.startswith("/tables/5/") for place in finding.places)
    ]
    assert of_table_5 and not any(finding.verdict == "inconsistent" for finding in of_table_5)
    assert sum("One whole-number solution" in finding.arithmetic for finding in of_table_5) == 1


def test_false_zeros_are_four_in_table_1_and_two_in_table_3():
    findings = check(
        json.loads((EXPERIMENTS / "canine_rbc_focal" / "published.json").read_text(encoding="utf-8"))
    )
    places = [finding.places[0] for finding in findings if finding.rule == "false_zero"]
    assert [place.split("/")[2] for place in places] == ["1"] * 4 + ["3"] * 2
    figure = [finding for finding in findings if finding.rule == "matrix_percentage"]
    assert len(figure) == 4 * (9 + 6 + 6 + 2) and all(finding.verdict == "consistent" for finding in figure)
