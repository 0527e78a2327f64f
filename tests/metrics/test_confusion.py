import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from drcls.metrics import confusion as measures

# Rows true, columns predicted: 10, 5 and 5 images.
CONFUSION = np.array([[8, 2, 0], [1, 3, 1], [0, 0, 5]])

small_confusions = st.integers(2, 6).flatmap(
    lambda size: hnp.arrays("int64", (size, size), elements=st.integers(0, 30)).filter(lambda c: c.sum() > 0)
)


def labels_of(confusion):
    """Spread a confusion matrix out into y_true and y_pred."""
    rows, columns = np.indices(confusion.shape)
    return np.repeat(rows.ravel(), confusion.ravel()), np.repeat(columns.ravel(), confusion.ravel())


def test_values_by_hand():
    assert measures.accuracy(CONFUSION) == pytest.approx(16 / 20)
    np.testing.assert_allclose(measures.precision(CONFUSION), [8 / 9, 3 / 5, 5 / 6])
    np.testing.assert_allclose(measures.recall(CONFUSION), [8 / 10, 3 / 5, 5 / 5])
    np.testing.assert_allclose(measures.f1(CONFUSION), [16 / 19, 6 / 10, 10 / 11])
    np.testing.assert_allclose(measures.specificity(CONFUSION), [9 / 10, 13 / 15, 14 / 15])
    np.testing.assert_allclose(measures.ovr_accuracy(CONFUSION), [17 / 20, 16 / 20, 19 / 20])
    assert measures.macro_f1(CONFUSION) == pytest.approx((16 / 19 + 6 / 10 + 10 / 11) / 3)
    assert measures.macro_recall(CONFUSION) == pytest.approx((8 / 10 + 3 / 5 + 1) / 3)
    assert measures.macro_specificity(CONFUSION) == pytest.approx((9 / 10 + 13 / 15 + 14 / 15) / 3)
    # Observed cost 4 x 1. By chance (10, 5, 5) x (9, 5, 6) / 20 cost 1 off and 4 two off the diagonal:
    # (10 5 + 5 9 + 5 6 + 5 5 + 4 (10 6 + 5 9)) / 20 = 570 / 20.
    assert measures.quadratic_kappa(CONFUSION) == pytest.approx(1 - 4 / (570 / 20))


def test_confusion_matrix_has_true_rows_and_keeps_classes_that_never_occur():
    confusion = measures.confusion_matrix([0, 0, 2], [0, 2, 2], num_classes=4)
    assert confusion.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_values_that_do_not_exist_are_nan():
    # Class 1 is predicted but absent; class 2 is present but never predicted; class 3 is neither.
    confusion = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(np.isnan(measures.recall(confusion)), [False, True, False, True])
    np.testing.assert_allclose(measures.precision(confusion), [3 / 5, 0, 0, np.nan])
    np.testing.assert_allclose(measures.f1(confusion), [6 / 9, 0, 0, np.nan])
    assert measures.macro_f1(confusion) == pytest.approx((6 / 9 + 0) / 2)
    assert measures.macro_average(measures.recall(confusion), confusion) == pytest.approx((3 / 4 + 0) / 2)


def test_a_single_class_throughout_has_no_kappa_and_no_specificity():
    confusion = np.array([[7, 0], [0, 0]])
    assert np.isnan(measures.quadratic_kappa(confusion))
    np.testing.assert_array_equal(measures.specificity(confusion), [np.nan, 1])
    assert measures.accuracy(confusion) == 1


@given(small_confusions)
def test_agrees_with_scikit_learn(confusion):
    y_true, y_pred = labels_of(confusion)
    classes = np.arange(len(confusion))
    np.testing.assert_array_equal(measures.confusion_matrix(y_true, y_pred, len(classes)), confusion)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=classes, zero_division=np.nan
    )
    present = support > 0
    np.testing.assert_allclose(measures.precision(confusion)[present], np.nan_to_num(precision[present]))
    np.testing.assert_allclose(measures.recall(confusion), np.where(present, recall, np.nan))
    np.testing.assert_allclose(measures.f1(confusion)[present], f1[present])
    assert measures.accuracy(confusion) == pytest.approx(sklearn_metrics.accuracy_score(y_true, y_pred))
    assert measures.macro_average(measures.recall(confusion), confusion) == pytest.approx(
        recall[present].mean()
    )
    if len(np.union1d(y_true, y_pred)) > 1:
        expected = sklearn_metrics.cohen_kappa_score(y_true, y_pred, labels=classes, weights="quadratic")
        assert measures.quadratic_kappa(confusion) == pytest.approx(expected)


@given(small_confusions)
def test_specificity_and_ovr_accuracy_are_those_of_the_two_class_problems(confusion):
    total = confusion.sum()
    for index, (specificity, accuracy) in enumerate(
        zip(measures.specificity(confusion), measures.ovr_accuracy(confusion), strict=True)
    ):
        true_positives = confusion[index, index]
        true_negatives = np.delete(np.delete(confusion, index, axis=0), index, axis=1).sum()
        negatives = total - confusion[index].sum()
        assert accuracy == pytest.approx((true_positives + true_negatives) / total)
        if negatives:
            assert specificity == pytest.approx(true_negatives / negatives)


@given(small_confusions)
def test_mean_ovr_accuracy_flatters_by_two_over_the_number_of_classes(confusion):
    expected = 1 - 2 * (1 - measures.accuracy(confusion)) / len(confusion)
    assert measures.mean_ovr_accuracy(confusion) == pytest.approx(expected)


@given(small_confusions)
def test_kappa_does_not_mind_which_end_of_the_scale_is_called_zero(confusion):
    np.testing.assert_allclose(
        measures.quadratic_kappa(confusion[::-1, ::-1]), measures.quadratic_kappa(confusion), atol=1e-12
    )


@pytest.mark.parametrize(
    "measure",
    ["accuracy", "precision", "recall", "f1", "specificity", "ovr_accuracy", "macro_recall", "macro_f1"]
    + ["macro_specificity", "quadratic_kappa"],
)
def test_a_stack_of_matrices_is_measured_one_by_one(measure):
    stack = np.random.default_rng(0).integers(1, 40, size=(2, 3, 5, 5))
    function = getattr(measures, measure)
    one_by_one = [[function(confusion) for confusion in row] for row in stack]
    np.testing.assert_allclose(function(stack), one_by_one)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], [0, 5], "y_pred must lie in 0 to 2 for 3 classes, received 0 to 5"),
        ([-1, 1], [0, 1], "y_true must lie in 0 to 2 for 3 classes, received -1 to 1"),
        ([0, 1], [0], "one length, received 2 and 1"),
        ([], [], "y_true must be a non-empty array"),
        ([0.0, 1.0], [0, 1], "of integers, received float64"),
        ([[0, 1]], [[0, 1]], r"received int64 \(1, 2\)"),
    ],
)
def test_bad_labels_are_named(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        measures.confusion_matrix(y_true, y_pred, num_classes=3)


@pytest.mark.parametrize(
    "measure", [measures.f1, measures.ovr_accuracy, measures.recall, measures.specificity]
)
def test_small_integers_are_not_multiplied_in_their_own_width(measure):
    confusion = np.array([[200, 3], [5, 30]])
    np.testing.assert_allclose(measure(confusion.astype("uint8")), measure(confusion))
    half = confusion // 2
    np.testing.assert_allclose(measure(half.astype("int8")), measure(half))
