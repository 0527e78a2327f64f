"""Committed predictions: every figure of their result file is recomputed from them."""

import json

import numpy as np
import pytest
from scipy import stats

from drcls.files import read_json, write_json, write_text
from drcls.metrics import (
    confusion_matrix,
    cut_grades,
    expected_grades,
    group_bootstrap_difference,
    group_bootstrap_intervals,
    wilson_interval,
)
from drcls.metrics.confusion import accuracy, macro_f1, macro_recall, quadratic_kappa
from experiments.results.collect import RESULTS
from experiments.results.predictions import Predictions, history, load, read_run

COMMITTED = sorted(RESULTS.glob("*/*/*.npz"))
# Bootstrapping a thousand groups takes a second: ten results, spread over all.
TEN = COMMITTED[:: max(1, len(COMMITTED) // 10)][:10]


def name_of(path):
    return "/".join(path.parts[-3:])


@pytest.mark.parametrize("path", COMMITTED, ids=name_of)
def test_a_result_follows_from_its_predictions(path):
    result, predictions = read_json(path.with_suffix(".json")), load(path)
    confusion = confusion_matrix(predictions.labels, predictions.predicted, len(result["class_names"]))
    assert result["metrics"]["confusion_matrix"] == confusion.tolist()
    for statistic in (accuracy, macro_recall, macro_f1):
        assert result["metrics"][statistic.__name__] == pytest.approx(float(statistic(confusion)), abs=1e-12)
    right = int((predictions.labels == predictions.predicted).sum())
    assert result["intervals"]["accuracy"]["wilson"] == list(wilson_interval(right, len(predictions.labels)))
    unseen = predictions.predicted[~predictions.leaked] == predictions.labels[~predictions.leaked]
    assert result["seen_and_unseen"]["unseen"] == {"images": len(unseen), "accuracy": unseen.mean()}
    assert result["leakage"]["num_leaked"] == predictions.leaked.sum()


@pytest.mark.parametrize("path", TEN, ids=name_of)
def test_intervals_over_groups_follow_from_the_predictions(path):
    result, predictions = read_json(path.with_suffix(".json")), load(path)
    for statistic in (macro_f1, quadratic_kappa):
        stored = result["intervals"].get(statistic.__name__)
        if stored is None:
            continue
        intervals = group_bootstrap_intervals(
            {"measure": statistic},
            predictions.labels,
            predictions.predicted,
            predictions.groups,
            len(result["class_names"]),
            seed=result["seed"],
        )
        np.testing.assert_allclose(intervals["measure"], stored["bootstrap"], atol=1e-12)


@pytest.mark.parametrize(
    ("sizes", "losses"), [([[96, 1], [48, 1]], [1, 2, 3]), (None, [3]), ([[48, 1]], [2, 3])]
)
def test_epochs_on_smaller_images_are_those_that_the_configuration_names(tmp_path, sizes, losses):
    write_json(tmp_path / "config.json", {"smaller_images": sizes})
    for folder, loss in (("96px", 1), ("48px", 2), (".", 3)):
        write_text(tmp_path / folder / "history.csv", f"epoch,loss\n1,{loss}\n")
    found = history(tmp_path)
    assert found == {"epoch": list(range(1, len(losses) + 1)), "loss": losses}


def test_what_the_parts_change_is_what_the_paper_page_says():
    folders = [RESULTS / "chexnet_cbam" / f"aptos2019-clean-short-s{seed}" for seed in range(3)]
    plain = [load(folder / "EfficientNetLite0.npz") for folder in folders]
    parts = [load(folder / "EfficientNetLite0_CBAM_DropBlock_Transformer.npz") for folder in folders]
    labels, groups = (np.concatenate([getattr(run, name) for run in plain]) for name in ("labels", "groups"))
    before, after = (np.concatenate([run.predicted for run in runs]) for runs in (plain, parts))
    assert ((after == labels) & (before != labels)).sum() == 60
    assert ((after != labels) & (before == labels)).sum() == 71
    found = group_bootstrap_difference(accuracy, labels, before, after, groups, 5)
    by_seed = 100 * ((after == labels).reshape(3, -1).mean(1) - (before == labels).reshape(3, -1).mean(1))
    over_seeds = stats.t.interval(0.95, 2, by_seed.mean(), stats.sem(by_seed))
    page = (RESULTS.parent / "chexnet_cbam" / "README.md").read_text(encoding="utf-8")
    page = " ".join(page.split())
    assert "-1.1, -0.4, +0.0" in page
    assert by_seed == pytest.approx([-1.1, -0.4, 0.0], abs=0.05)
    for low, high in ((100 * found[1], 100 * found[2]), over_seeds):
        assert f"{low:+.1f} to {high:+.1f}" in page


@pytest.mark.parametrize(
    "row, reported",
    [
        ("EfficientNetLite0", (82.6, 66.2, 0.873)),
        ("EfficientNetLite0_CBAM_DropBlock_Transformer", (82.0, 65.1, 0.871)),
        ("EfficientNetLite0_160_px", (82.6, 66.5, 0.885)),
    ],
)
def test_the_mean_of_three_seeds_is_what_the_paper_page_says(row, reported):
    runs = [
        load(RESULTS / "chexnet_cbam" / f"aptos2019-clean-short-s{seed}" / f"{row}.npz") for seed in range(3)
    ]
    mean = np.mean([run.probabilities.astype(np.float64) for run in runs], axis=0)
    confusion = confusion_matrix(runs[0].labels, mean.argmax(axis=1), mean.shape[1])
    assert all(np.array_equal(run.labels, runs[0].labels) for run in runs)
    assert round(100 * accuracy(confusion), 1) == reported[0]
    assert round(100 * macro_f1(confusion), 1) == reported[1]
    assert round(float(quadratic_kappa(confusion)), 3) == reported[2]
    page = (RESULTS.parent / "chexnet_cbam" / "README.md").read_text(encoding="utf-8")
    assert f"px | {reported[0]:.1f}, {reported[1]:.1f}, {reported[2]:.3f} |" in page


def test_the_expected_grades_of_the_means_are_what_the_paper_page_says():
    page = (RESULTS.parent / "chexnet_cbam" / "README.md").read_text(encoding="utf-8")
    for parts in ("", "_CBAM_DropBlock_Transformer", "_160_px"):
        name = f"EfficientNetLite0{parts}_mean_of_seeds"
        file = RESULTS / "chexnet_cbam" / "aptos2019-clean-short-s0" / f"{name}.npz"
        run, recorded = load(file), read_json(file.with_suffix(".json"))["expected_grade"]
        grades = cut_grades(expected_grades(run.probabilities), recorded["cut_points"])
        confusion = confusion_matrix(run.labels, grades, run.probabilities.shape[1])
        # Committed probabilities are rounded: one of 700 grades may fall on the other side of a cut.
        assert float(quadratic_kappa(confusion)) == pytest.approx(recorded["quadratic_kappa"], abs=0.003)
        assert float(accuracy(confusion)) == pytest.approx(recorded["accuracy"], abs=0.003)
        percent = [f"{100 * recorded[name]:.1f}" for name in ("accuracy", "macro_f1")]
        assert f"| {', '.join(percent)}, {recorded['quadratic_kappa']:.3f} |" in page


def test_predictions_are_read_as_they_were_saved(tmp_path):
    rng = np.random.default_rng(0)
    saved = Predictions(
        rng.dirichlet(np.ones(3), 5).astype(np.float16),
        np.array([0, 1, 2, 2, 1], np.uint8),
        np.array([0, 1, 2, 1, 1], np.uint8),
        np.arange(5, dtype=np.int32),
        np.array([True, False, True, False, False]),
    )
    saved.save(tmp_path / "row.npz")
    for name, value in vars(load(tmp_path / "row.npz")).items():
        np.testing.assert_array_equal(value, getattr(saved, name))


def test_a_class_whose_name_pandas_takes_for_missing_is_kept(tmp_path):
    measured = {"class_names": ["NA", "None", "null", "nan"], "num_test": 2}
    (tmp_path / "metrics.json").write_text(json.dumps(measured))
    (tmp_path / "leaked.csv").write_text("path,leaked\na.png,False\nb.png,True\n")
    (tmp_path / "predictions.csv").write_text(
        "path,label,group,predicted,p_NA,p_None,p_null,p_nan\n"
        "a.png,NA,null,None,0.25,0.5,0.25,0\n"
        "b.png,nan,g,null,0,0.25,0.5,0.25\n"
    )
    found = read_run(tmp_path)
    assert (found.labels.tolist(), found.predicted.tolist()) == ([0, 3], [1, 2])
    assert len(set(found.groups)) == 2 and found.leaked.tolist() == [False, True]
