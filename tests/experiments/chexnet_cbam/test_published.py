"""The printed figures of CheXNet-CBAM: transcribed without slips, and what is wrong in print, recomputed."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from drcls.metrics import confusion as measures
from drcls.metrics import wald_interval, wilson_interval

PATH = Path(__file__).resolve().parents[3] / "experiments" / "chexnet_cbam" / "published.json"
PUBLISHED = json.loads(PATH.read_text())
TABLES, DATASETS, CLASSES = PUBLISHED["tables"], PUBLISHED["datasets"], PUBLISHED["classes"]
NOTES = {note["id"]: note for note in PUBLISHED["notes"]}
COUNTS, OVERALL, BY_CLASS, STATISTICS = [
    dict(zip(("aptos2019", "ddr"), numbers, strict=True)) for numbers in ("12", "46", "57", "89")
]
both_datasets = pytest.mark.parametrize("dataset", DATASETS)


def recomputed(note):
    return NOTES[note]["recomputed"]


def rows(table, key):
    return {row[key]: row for row in TABLES[table]["rows"]}


def test_where_it_comes_from():
    assert PUBLISHED["doi"] == "10.3389/fmed.2026.1732109"
    assert all(note.keys() == {"id", "where", "problem", "recomputed"} for note in PUBLISHED["notes"])
    assert len(NOTES) == len(PUBLISHED["notes"])


@both_datasets
def test_images_add_up_to_the_totals_and_splits(dataset):
    facts, counts = DATASETS[dataset], rows(COUNTS[dataset], "class")
    images = [counts[name]["images"] for name in CLASSES]
    assert sum(images) == TABLES[COUNTS[dataset]]["total"] == facts["total"]
    assert facts["balanced"] == {"per_class": max(images), "total": 5 * max(images)}
    assert sum(facts["split"].values()) == facts["balanced"]["total"]
    assert facts["split"]["train"] == 0.8 * facts["balanced"]["total"]


@both_datasets
def test_tables_name_the_models_and_classes_and_agree_with_each_other(dataset):
    overall, statistics = rows(OVERALL[dataset], "model"), rows(STATISTICS[dataset], "model")
    assert set(overall) == set(statistics) == set(PUBLISHED["models"])
    assert set(rows(BY_CLASS[dataset], "class")) == set(CLASSES)
    for model, row in statistics.items():
        assert row["accuracy"] == overall[model]["accuracy"]
        assert row["difference"] == round(row["accuracy"] - statistics["CheXNet_CBAM"]["accuracy"], 2)
        assert row["interval"][0] < row["accuracy"] < row["interval"][1]


@both_datasets
def test_f1_by_class_lies_between_precision_and_recall(dataset):
    for row in TABLES[BY_CLASS[dataset]]["rows"]:
        harmonic = 2 / (1 / row["precision"] + 1 / row["recall"])
        assert row["f1"] == pytest.approx(harmonic, abs=0.011)


@both_datasets
def test_intervals_are_not_those_of_eq_25(dataset):
    note = recomputed("intervals")[dataset]
    assert note["n"] == DATASETS[dataset]["split"]["test"]
    for model, printed in rows(STATISTICS[dataset], "model").items():
        right, p, (low, high) = note["rows"][model], printed["accuracy"] / 100, printed["interval"]
        assert round(100 * right["correct"] / note["n"], 2) == printed["accuracy"]
        assert right["eq25"] == percent(wald_interval(p, note["n"])) != printed["interval"]
        assert right["wilson"] == percent(wilson_interval(right["correct"], note["n"]))
        assert right["implied_n"] == round(1.96**2 * p * (1 - p) / ((high - low) / 200) ** 2)
        assert (low + high) / 2 < printed["accuracy"] - 0.005


def test_intervals_of_the_headline():
    assert recomputed("intervals")["aptos2019"]["rows"]["CheXNet_CBAM"]["eq25"] == [94.86, 97.38]
    assert recomputed("intervals")["ddr"]["rows"]["CheXNet_CBAM"]["eq25"] == [95.67, 96.99]
    implied = [row["implied_n"] for part in recomputed("intervals").values() for row in part["rows"].values()]
    assert (len(implied), min(implied), max(implied)) == (12, 998, 2370)


def test_significance():
    note, right = recomputed("significance"), recomputed("intervals")["aptos2019"]["rows"]
    assert note["eq25"] == {model: right[model]["eq25"] for model in ("CheXNet_CBAM", "CheXNet")}
    assert note["eq25"]["CheXNet_CBAM"][0] < note["eq25"]["CheXNet"][1]
    ours, theirs, n = right["CheXNet_CBAM"]["correct"], right["MobileNetV2"]["correct"], 903
    pooled = (ours + theirs) / (2 * n)
    z = (ours - theirs) / n / math.sqrt(2 * pooled * (1 - pooled) / n)
    assert note["p_value"]["CheXNet_CBAM vs MobileNetV2"] == round(2 * norm.sf(z), 2)


@both_datasets
def test_integer_solutions_of_the_tables_by_class(dataset):
    solutions = integer_solutions(rows(BY_CLASS[dataset], "class"), DATASETS[dataset]["split"]["test"])
    noted = {
        "aptos2019": [recomputed("table_5_counts")["counts"]],
        "ddr": recomputed("ddr_diagonal")["solutions"],
    }[dataset]
    assert solutions == [[tuple(counts[name].values()) for name in CLASSES] for counts in noted]
    for solution in solutions:
        hits = sum(hit for hit, _, _ in solution)
        assert hits == recomputed("intervals")[dataset]["rows"]["CheXNet_CBAM"]["correct"]
        precision, recall, f1 = np.mean([shares(*counts) for counts in solution], axis=0).round(2)
        macro = {"macro_precision": precision, "macro_recall": recall, "macro_f1": f1}
        assert recomputed("recall_is_macro")[dataset] == macro
        assert macro.items() <= rows(OVERALL[dataset], "model")["CheXNet_CBAM"].items()


def test_table_5_reproduced_through_a_confusion_matrix():
    counts = recomputed("table_5_counts")["counts"]
    confusion = confusion_with(counts)
    assert measures.accuracy(confusion) == 868 / 903
    for measure in ("precision", "recall", "f1"):
        values = dict(zip(CLASSES, (100 * getattr(measures, measure)(confusion)).round(2), strict=True))
        assert values == {name: row[measure] for name, row in rows("5", "class").items()}
    assert recomputed("column_totals")["predicted"] == {
        name: row["predicted"] for name, row in counts.items()
    }
    assert counts["Mild"]["support"] - counts["Mild"]["hits"] == recomputed("missed_cases")["missed_mild"]


def test_ddr_diagonal():
    note, n = recomputed("ddr_diagonal"), DATASETS["ddr"]["split"]["test"]
    assert sum(note["printed_diagonal"].values()) == note["printed_sum"] == 3029
    assert round(100 * note["printed_sum"] / n, 2) == note["printed_sum_percent"] == 96.68
    assert round(100 * note["hits"] / n, 2) == rows("9", "model")["CheXNet_CBAM"]["accuracy"] == 96.33
    first, second = note["solutions"]
    assert note["printed_diagonal"]["Proliferate_DR"] > first["Proliferate_DR"]["support"]
    assert note["printed_diagonal"]["Proliferate_DR"] == first["Severe"]["predicted"] == 634
    assert note["printed_diagonal"]["Mild"] == first["Proliferate_DR"]["predicted"] == 628
    assert (first["Proliferate_DR"]["hits"], second["Proliferate_DR"]["hits"]) == (624, 623)


@both_datasets
def test_leaked_share_matches_a_simulation_of_the_described_split(dataset):
    per_class = recomputed("oversampling_before_the_split")["leaked_percent_per_class"][dataset]
    overall = recomputed("oversampling_before_the_split")["leaked_percent"][dataset]
    assert overall == pytest.approx(np.mean(list(per_class.values())), abs=0.06)
    counts = [row["images"] for row in TABLES[COUNTS[dataset]]["rows"]]
    split = DATASETS[dataset]["split"]
    simulated = [simulate_leak(counts, split, np.random.default_rng(seed)) for seed in range(20)]
    assert np.mean(simulated) == pytest.approx(overall, abs=1)


def test_equations_as_printed_and_as_meant():
    assert recomputed("eq_18") == {"printed": round(math.log(0.5), 4), "intended": round(-math.log(0.5), 4)}
    assert recomputed("eq_3")["sum_of_five_sigmoids_at_zero"] == 5 / (1 + math.exp(0))
    for dataset, note in recomputed("eq_21").items():
        assert note["multiclass"] == rows(OVERALL[dataset], "model")["CheXNet_CBAM"]["accuracy"]
        assert note["mean_ovr"] == round(100 - 2 * (100 - note["multiclass"]) / 5, 2)
    weights = recomputed("class_weights")
    images = {row["class"]: row["images"] for row in TABLES["1"]["rows"]}
    assert weights["aptos2019"] == {name: round(3662 / (5 * count), 4) for name, count in images.items()}
    assert weights["balanced"] == 9025 / (5 * 1805)
    assert recomputed("shear")["pixels"] == round(112 * math.tan(math.radians(0.2)), 2)


def test_one_network_under_two_names():
    for dataset, points in recomputed("same_network").items():
        accuracy = {model: row["accuracy"] for model, row in rows(OVERALL[dataset], "model").items()}
        assert points == round(accuracy["CheXNet"] - accuracy["DenseNet121"], 2)


def percent(interval):
    return [round(100 * bound, 2) for bound in interval]


def shares(hits, support, predicted):
    """Precision, recall and F1 in percent."""
    return 100 * hits / predicted, 100 * hits / support, 200 * hits / (support + predicted)


def integer_solutions(printed, n):
    """All (hits, support, predicted) by class that round to the printed figures, n images in even classes."""
    possible = []
    for name in CLASSES:
        row = [printed[name][measure] for measure in ("precision", "recall", "f1")]
        candidates = (
            (hits, support, predicted)
            for support in (n // 5, n // 5 + 1)
            for hits in range(int(0.8 * support), support + 1)
            for predicted in range(hits, int(1.2 * support))
        )
        possible.append([c for c in candidates if [round(share, 2) for share in shares(*c)] == row])
    return [
        list(solution)
        for solution in itertools.product(*possible)
        if sum(support for _, support, _ in solution) == sum(predicted for _, _, predicted in solution) == n
    ]


def confusion_with(counts):
    """A confusion matrix with these diagonal, row and column sums; mistakes are dealt out in turn."""
    confusion = np.diag([counts[name]["hits"] for name in CLASSES])
    missed = [counts[name]["support"] - counts[name]["hits"] for name in CLASSES]
    taken = [counts[name]["predicted"] - counts[name]["hits"] for name in CLASSES]
    pairs = list(itertools.permutations(range(len(CLASSES)), 2))
    for true, predicted in itertools.chain.from_iterable(itertools.repeat(pairs, sum(missed))):
        if missed[true] and taken[predicted]:
            confusion[true, predicted] += 1
            missed[true] -= 1
            taken[predicted] -= 1
    assert not any(missed) and not any(taken)
    return confusion


def simulate_leak(counts, split, rng):
    """Percent of test images with a copy in train: oversample with replacement, then split at random."""
    majority, images = max(counts), []
    for number, count in enumerate(counts):
        copies = rng.integers(count, size=majority - count)
        images.append(number * majority + np.concatenate([np.arange(count), copies]))
    images = rng.permutation(np.concatenate(images))
    return 100 * np.isin(images[-split["test"] :], images[: split["train"]]).mean()
