"""Macro, micro and weighted averages."""

from tests.check_tables.documents import said, table, verdicts

BY_CLASS = {
    "model": "A",
    "rows": [
        {"class": "a", "precision": 80.0, "recall": 60.0, "f1": 68.57},
        {"class": "b", "precision": 60.0, "recall": 90.0, "f1": 72.0},
    ],
}


def test_macro_averages_are_means_over_the_classes():
    good = {"model": "A", "macro_precision": 70.0, "macro_recall": 75.0, "macro_f1": 70.29}
    document = {"tables": {"1": {"decimals": 2, "rows": [good]}, "2": {"decimals": 2, **BY_CLASS}}}
    assert verdicts(document, "macro_average") == ["consistent"] * 3
    good["macro_recall"] = 73.0
    assert verdicts(document, "macro_average").count("inconsistent") == 1


def test_weighted_recall_is_accuracy():
    assert verdicts(table([{"accuracy": 87.32, "weighted_recall": 87.32}]), "weighted_recall") == [
        "consistent"
    ]
    assert verdicts(table([{"accuracy": 87.32, "weighted_recall": 88.0}]), "weighted_recall") == [
        "inconsistent"
    ]


def test_macro_recall_of_an_even_test_part():
    data = {
        "balanced": {"per_class": 1805, "total": 9025},
        "split": {"test": 903},
        "class_images": [1805, 370, 999, 193, 295],
        "class_counts": "/datasets/d/class_images",
    }
    document = table([{"accuracy": 69.99, "macro_recall": 69.96}], dataset="d", decimals=2) | {
        "datasets": {"d": data}
    }
    assert verdicts(document, "macro_recall") == ["consistent"]
    document["tables"]["1"]["rows"][0]["macro_recall"] = 69.8
    assert verdicts(document, "macro_recall") == ["inconsistent"]


def test_macro_f1_has_a_bound():
    row = {"macro_precision": 70.0, "macro_recall": 80.0, "macro_f1": 75.1}
    assert verdicts(table([row], decimals=1), "macro_f1_bound") == []
    assert verdicts(table([row | {"macro_f1": 75.3}], decimals=1), "macro_f1_bound") == ["inconsistent"]


def test_merging_two_grades():
    test = {
        "kind": "merging",
        "micro": ["/tables/1/rows/0/accuracy", "/tables/1/rows/1/accuracy"],
        "macro": ["/tables/1/rows/0/macro_recall", "/tables/1/rows/1/macro_recall"],
        "classes": 5,
        "class_counts": "/datasets/d/class_images",
        "merged": [3, 4],
    }
    document = table([{"accuracy": 83, "macro_recall": 73}, {"accuracy": 87, "macro_recall": 84}])
    document |= {"datasets": {"d": {"class_images": [1805, 370, 999, 193, 295]}}}
    document |= {"claims": [{"where": "", "what": "", "test": test}]}
    [(verdict, arithmetic)] = said(document, "merging")
    assert (
        verdict == "consistent"
        and "4.0 % of all images, 30 % of the two" in arithmetic
        and "0.29" in arithmetic
    )
    # More confusions than the two classes have images.
    document["tables"]["1"]["rows"][1]["accuracy"] = 97
    assert verdicts(document, "merging") == ["inconsistent"]
