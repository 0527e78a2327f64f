"""Report pages in a real browser: nothing cut at 1200 pixels, and at 375 whatever is hidden is announced."""

import pandas as pd
import pytest

from drcls.report import (
    Measure,
    Section,
    Table,
    class_distribution,
    read_runs,
    results_table,
    verdict,
    write_report,
)
from tests.chromium import start_chromium

MEASURES = [Measure("accuracy (%)", "accuracy"), Measure("quadratic kappa", "quadratic_kappa", percent=False)]
OVERFLOWING = """
return [...document.querySelectorAll('.scroll')].map(box => [
    box.scrollWidth > box.clientWidth + 1,
    box.closest('.wide').querySelector('.hint').getBoundingClientRect().height > 5])"""
STICKY = """
const box = [...document.querySelectorAll('.scroll')].find(box => box.querySelector('table'));
box.scrollLeft = 9999;
const first = box.querySelector('tbody th').getBoundingClientRect();
return [first.left, box.getBoundingClientRect().left]"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def page(fabricate, tmp_path):
    """A page with a long results table, a table of 15 columns, and a figure."""
    for seed in (0, 1):
        fabricate("backbone_CBAM_DropBlock_Transformer", seed=seed)
    fabricate("backbone_CBAM_DropBlock_Transformer", "paper")
    runs = read_runs(tmp_path / "runs")
    results = results_table(runs, [{"model": "CheXNet_CBAM", "accuracy": 96.12}], MEASURES)
    wide = pd.DataFrame([{"row": "squeezenet+fine_tuned"} | {f"blur {i}": "81.0 ± 0.5" for i in range(14)}])
    counts = {"all": {name: 10 for name in runs[0]["class_names"]}}
    figure = class_distribution(tmp_path / "f.png", counts, {"name": "fake", "phantom": False}, "Classes")
    parts = [Table(results, "Results."), Table(wide, "Corruptions."), figure]
    first = verdict(runs, "The paper reports 96.12 %.", "backbone_CBAM_DropBlock_Transformer", MEASURES)
    return write_report(tmp_path / "report", "A report", [Section("Results", parts)], runs, first)[1]


def show(browser, page, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_nothing_is_cut_at_1200_pixels(browser, page):
    show(browser, page, 1200)
    assert browser.execute_script(OVERFLOWING) == [[False, False]] * 3


def test_what_is_hidden_at_375_pixels_is_announced(browser, page):
    show(browser, page, 375)
    assert browser.execute_script(OVERFLOWING) == [[True, True]] * 3
    first, left = browser.execute_script(STICKY)
    assert abs(first - left) < 2  # the first column stays in sight
