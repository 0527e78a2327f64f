"""From run folders and reported numbers to tables, figures and one page; nothing is trained here."""

from drcls.report.bar_chart import bar_chart
from drcls.report.curves import roc_and_precision_recall
from drcls.report.embedding_map import embedding_map
from drcls.report.explainer_grid import explainer_grid
from drcls.report.figures import class_distribution, confusion_matrices, example_grid, training_curves
from drcls.report.grad_cam_grid import grad_cam_grid, pick_hits_and_misses
from drcls.report.intervals import intervals_table, reported_intervals_table
from drcls.report.lines import Lines, line_chart
from drcls.report.markdown import to_markdown
from drcls.report.outliers import outlier_figure
from drcls.report.page import Figure, Section, Table, run_facts, write_report
from drcls.report.paired import p_over_seeds, paired_difference, right_by_image
from drcls.report.reliability import reliability_diagram
from drcls.report.robustness_curves import robustness_curves
from drcls.report.run_set import (
    describe,
    read_history,
    read_predictions,
    read_runs,
    seed_spread,
    seed_values,
    select_runs,
)
from drcls.report.tables import (
    HEADS,
    PROTOCOLS,
    SPREAD,
    Measure,
    accuracy_bounds,
    class_table,
    differing_settings,
    list_seeds,
    model_order,
    results_table,
    runs_table,
)
from drcls.report.text import (
    difference,
    interval,
    interval_over_seeds,
    kind_of_images,
    listing,
    mean_sd,
    p_value,
    synthetic_label,
)
from drcls.report.verdict import verdict

__all__ = [
    "Figure",
    "HEADS",
    "Lines",
    "Measure",
    "PROTOCOLS",
    "SPREAD",
    "Section",
    "Table",
    "accuracy_bounds",
    "bar_chart",
    "class_distribution",
    "class_table",
    "confusion_matrices",
    "describe",
    "difference",
    "example_grid",
    "embedding_map",
    "explainer_grid",
    "grad_cam_grid",
    "intervals_table",
    "kind_of_images",
    "line_chart",
    "model_order",
    "outlier_figure",
    "pick_hits_and_misses",
    "read_history",
    "read_predictions",
    "read_runs",
    "reliability_diagram",
    "results_table",
    "robustness_curves",
    "roc_and_precision_recall",
    "differing_settings",
    "list_seeds",
    "run_facts",
    "runs_table",
    "seed_spread",
    "seed_values",
    "select_runs",
    "to_markdown",
    "training_curves",
    "interval",
    "interval_over_seeds",
    "listing",
    "mean_sd",
    "p_over_seeds",
    "p_value",
    "paired_difference",
    "reported_intervals_table",
    "right_by_image",
    "synthetic_label",
    "verdict",
    "write_report",
]
