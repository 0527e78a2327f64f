"""How good a classifier is, how sure one can be of that, and whether it beats another.

NumPy in, NumPy and plain numbers out; the measures of drcls.metrics.confusion take confusion matrices.
"""

from drcls.metrics.classification import classification_metrics, expected_calibration_error
from drcls.metrics.comparisons import mcnemar_exact, random_signs_exact, two_way_anova
from drcls.metrics.confusion import (
    accuracy,
    confusion_matrix,
    f1,
    macro_f1,
    macro_recall,
    macro_specificity,
    mean_ovr_accuracy,
    ovr_accuracy,
    precision,
    quadratic_kappa,
    recall,
    specificity,
)
from drcls.metrics.corruption import gain_under_corruption, mean_corruption_error
from drcls.metrics.expected_grade import choose_cut_points, cut_grades, expected_grades
from drcls.metrics.intervals import (
    group_bootstrap_difference,
    group_bootstrap_intervals,
    shown_interval,
    wald_interval,
    wilson_interval,
    wilson_interval_of_groups,
)
from drcls.metrics.score_intervals import score_bootstrap_intervals
from drcls.metrics.threshold import choose_threshold, sensitivity_and_specificity

__all__ = [
    "accuracy",
    "choose_cut_points",
    "choose_threshold",
    "classification_metrics",
    "confusion_matrix",
    "cut_grades",
    "expected_calibration_error",
    "expected_grades",
    "f1",
    "gain_under_corruption",
    "group_bootstrap_difference",
    "group_bootstrap_intervals",
    "macro_f1",
    "macro_recall",
    "macro_specificity",
    "mcnemar_exact",
    "mean_corruption_error",
    "mean_ovr_accuracy",
    "ovr_accuracy",
    "precision",
    "quadratic_kappa",
    "random_signs_exact",
    "recall",
    "score_bootstrap_intervals",
    "sensitivity_and_specificity",
    "shown_interval",
    "specificity",
    "two_way_anova",
    "wald_interval",
    "wilson_interval",
    "wilson_interval_of_groups",
]
