import json
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from drcls.metrics import classification_metrics, expected_calibration_error

GRADES = ["No_DR", "Mild", "Moderate", "Severe", "Proliferate_DR"]
OVERALL = {
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_specificity",
    "mean_ovr_accuracy",
    "macro_auroc",
    "micro_auroc",
    "quadratic_kappa",
    "expected_calibration_error",
    "per_class",
    "confusion_matrix",
}
PER_CLASS = {"precision", "recall", "f1", "specificity", "ovr_accuracy", "auroc", "support"}


@pytest.fixture
def graded():
    """300 labels and probabilities that favour the right grade, and its neighbours after that."""
    rng = np.random.default_rng(7)
    y_true = rng.choice(5, size=300, p=[0.49, 0.10, 0.27, 0.06, 0.08])
    scores = rng.normal(size=(300, 5)) - 0.7 * np.abs(np.arange(5) - y_true[:, np.newaxis])
    probabilities = np.exp(2 * scores)
    return y_true, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_keys_are_the_documented_ones_and_json_holds_them(graded):
    result = classification_metrics(*graded, GRADES)
    assert set(result) == OVERALL
    assert list(result["per_class"]) == GRADES
    assert all(set(values) == PER_CLASS for values in result["per_class"].values())
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_agrees_with_scikit_learn(graded):
    y_true, probabilities = graded
    y_pred = probabilities.argmax(axis=1)
    result = classification_metrics(y_true, probabilities, GRADES)
    report = sklearn_metrics.classification_report(
        y_true, y_pred, target_names=GRADES, output_dict=True, zero_division=0
    )
    assert result["accuracy"] == pytest.approx(report["accuracy"])
    for measure, name in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert result[f"macro_{measure}"] == pytest.approx(report["macro avg"][name])
        for grade in GRADES:
            assert result["per_class"][grade][measure] == pytest.approx(report[grade][name])
    assert result["macro_auroc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(y_true, probabilities, multi_class="ovr", average="macro")
    )
    assert result["micro_auroc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(y_true, probabilities, multi_class="ovr", average="micro")
    )
    assert result["quadratic_kappa"] == pytest.approx(
        sklearn_metrics.cohen_kappa_score(y_true, y_pred, weights="quadratic")
    )
    assert result["confusion_matrix"] == sklearn_metrics.confusion_matrix(y_true, y_pred).tolist()
    assert [values["support"] for values in result["per_class"].values()] == np.bincount(y_true).tolist()


def test_an_absent_class_has_none_and_stays_out_of_the_macro_averages(graded):
    y_true, probabilities = graded
    keep = y_true != 3
    result = classification_metrics(y_true[keep], probabilities[keep], GRADES)
    absent = result["per_class"]["Severe"]
    assert (absent["recall"], absent["auroc"], absent["support"]) == (None, None, 0)
    assert absent["precision"] == 0, "Severe is predicted and never right"
    for measure in ("precision", "recall", "f1", "specificity", "auroc"):
        present = [result["per_class"][grade][measure] for grade in GRADES if grade != "Severe"]
        assert result[f"macro_{measure}"] == pytest.approx(np.mean(present))
    y_pred = probabilities[keep].argmax(axis=1)
    with warnings.catch_warnings(action="ignore"):
        balanced = sklearn_metrics.balanced_accuracy_score(y_true[keep], y_pred)
    assert result["macro_recall"] == pytest.approx(balanced)
    assert result["mean_ovr_accuracy"] == pytest.approx(1 - 2 * (1 - result["accuracy"]) / 5)


@pytest.mark.parametrize("predicted", [0, 1])
def test_one_class_alone_is_measured_without_a_warning(predicted):
    probabilities = np.full((4, 3), 0.1)
    probabilities[:, predicted] = 0.8
    with warnings.catch_warnings(action="error"):
        result = classification_metrics(np.zeros(4, int), probabilities, ["a", "b", "c"])
    assert result["accuracy"] == (1 if predicted == 0 else 0)
    assert result["macro_auroc"] is None
    assert result["macro_specificity"] is None
    assert (result["quadratic_kappa"] is None) == (predicted == 0)
    assert result["per_class"]["c"]["precision"] is None
    json.dumps(result, allow_nan=False)


def test_calibration_error_by_hand():
    # Two bins: confidence 0.4 and 0.5 (one of two right), and 0.9, 0.8 (both right). Edges belong below.
    probabilities = [[0.4, 0.3, 0.3], [0.5, 0.25, 0.25], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]]
    y_true = [0, 2, 1, 2]
    expected = (abs(0.5 - 0.45) * 2 + abs(1.0 - 0.85) * 2) / 4
    assert expected_calibration_error(probabilities, y_true, num_bins=2) == pytest.approx(expected)


def test_calibration_error_of_the_certain():
    certain = np.eye(4)
    assert expected_calibration_error(certain, [0, 1, 2, 3]) == 0
    assert expected_calibration_error(certain, [1, 2, 3, 0]) == 1


def test_calibration_error_matches_its_definition_bin_by_bin(graded):
    y_true, probabilities = graded
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(probabilities, y_true) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y_true", "probabilities", "class_names", "message"),
    [
        ([0, 1], [[2.0, -1.0], [0.5, 0.5]], ["a", "b"], r"row 0: \[2.0, -1.0\]"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.2]], ["a", "b"], r"row 1: \[0.5, 0.2\]"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], ["a", "b"], r"row 1: \[nan, 0.5\]"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"], "y_true must lie in 0 to 1"),
        ([0], [[0.5, 0.5], [0.5, 0.5]], ["a", "b"], "received 1 and 2"),
        ([0], [[0.5, 0.5]], ["a", "b", "c"], "each of the 3 classes, received 2"),
        ([0], [[0.5, 0.5]], ["a", "a"], "different str"),
        ([], np.zeros((0, 2)), ["a", "b"], "non-empty"),
    ],
)
def test_bad_input_is_named(y_true, probabilities, class_names, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(y_true, probabilities, class_names)


def test_calibration_error_refuses_no_bins_and_unequal_lengths():
    for num_bins in (0, 2.5):
        with pytest.raises(
            ValueError, match=f"num_bins must be a whole number of 1 or more, received {num_bins}"
        ):
            expected_calibration_error([[1.0, 0.0]], [0], num_bins=num_bins)
    with pytest.raises(ValueError, match="y_true must have 1 labels, received 2"):
        expected_calibration_error([[1.0, 0.0]], [0, 1])


@pytest.mark.parametrize("class_names", ["ab", [0, 1], 3, None, ["a"], ["a", "a"]])
def test_what_are_no_names_is_refused(class_names):
    with pytest.raises(ValueError, match="sequence of two or more different str, received"):
        classification_metrics([0, 1], [[1.0, 0.0], [0.0, 1.0]], class_names)
