import sys

from drcls.report import Measure, bar_chart, read_runs, select_runs
from tests.report.drawings import check, words

REPORTED = [{"model": "Best", "accuracy": 96.12}, {"model": "Never_run", "accuracy": 50.0}]
MEASURES = [Measure("accuracy (%)", "accuracy"), Measure("kappa", "quadratic_kappa", percent=False)]


def test_bars_show_reported_measured_and_missing(fabricate, tmp_path, drawn):
    for seed, accuracy in enumerate((0.6, 0.8)):
        fabricate("Best", seed=seed, metrics={"accuracy": accuracy, "quadratic_kappa": 0.4567})
    fabricate("Half", finished=False)
    runs = read_runs(tmp_path / "runs")
    figure = bar_chart(tmp_path / "new" / "bars.png", runs, REPORTED, MEASURES, "Models")
    title = "Models\nfake\xa0· clean protocol\xa0· quick profile\xa0· seeds 0, 1"
    check(figure, drawn[0], title, "96.1", "70.0", "0.457", "not run", "unfinished", "not reported")
    assert "ours, leak-free" in words(drawn[0])


def test_phantom_is_in_title_legend_and_caption(fabricate, tmp_path, drawn):
    fabricate("Best", data="phantom-fundus")
    figure = bar_chart(tmp_path / "bars.png", read_runs(tmp_path / "runs"), REPORTED, MEASURES, "Models")
    assert "SYNTHETIC DATA" in figure.caption and "SYNTHETIC DATA" in drawn[0].get_suptitle()
    assert "ours, leak-free (synthetic)" in words(drawn[0])


def test_nothing_goes_through_pyplot(fabricate, tmp_path):
    fabricate("Best")
    bar_chart(tmp_path / "b.png", select_runs(read_runs(tmp_path / "runs"), seed=0), REPORTED, MEASURES, "x")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
