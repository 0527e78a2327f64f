from html.parser import HTMLParser

import pandas as pd
import pytest

from drcls.report import Figure, Section, Table, class_distribution, read_runs, write_report

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}


class Page(HTMLParser):
    """Collects what a report must have and must not have."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.targets, self.text = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.targets += [attrs[key] for key in ("href", "src", "action", "data") if key in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def named(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def report(fabricate, tmp_path):
    """Return a function that writes a report of made-up runs and returns (Markdown, parsed HTML, folder)."""

    def write(data="fake", title="A title", heading="Results", caption="Table 1", cell="x", sample=""):
        fabricate("Best", data=data, sample=sample)
        counts, info = {"all": {"cat": 3, "dog": 2}}, {"name": data, "phantom": data.startswith("phantom")}
        figure = class_distribution(tmp_path / "runs" / "figures" / "bars.png", counts, info, "Classes")
        frame = pd.DataFrame({"model": ["Best", "Best"], "note": [cell, cell], "value": ["1.00", "not run"]})
        parts = ["Plain text.\n\n- one\n  and on\n- two `code`", Table(frame, caption), figure]
        folder = tmp_path / "report"
        paths = write_report(folder, title, [Section(heading, parts)], read_runs(tmp_path / "runs"))
        markdown, page = (path.read_text(encoding="utf-8") for path in paths)
        return markdown, Page(page), folder

    return write


def test_html_stands_alone(report):
    _, page, folder = report()
    assert not page.open
    assert all(target.startswith(("#", "data:")) for target in page.targets)
    assert not page.named("script") and not page.named("iframe")
    assert "http" not in (folder / "report.html").read_text() and "@import" not in "".join(page.text)
    (image,) = page.named("img")
    assert image["src"].startswith("data:image/png;base64,iVBOR") and image["alt"]


def test_html_is_readable_for_everyone(report):
    _, page, _ = report()
    assert page.named("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named("meta")
    assert len(page.named("h1")) == 1
    assert [attrs["id"] for attrs in page.named("h2")] == ["s1"]
    assert all("scope" in attrs for attrs in page.named("th"))
    assert page.named("caption") and page.named("figcaption")
    assert len(page.named("li")) == 3 and "one and on" in page.text  # one of them in the contents


def test_equal_neighbours_stand_once(report):
    _, page, _ = report()
    assert [attrs["rowspan"] for attrs in page.named("th") + page.named("td") if "rowspan" in attrs] == [
        "2",
        "2",
    ]
    assert "absent" in [attrs.get("class") for attrs in page.named("td")]


def test_banner_names_the_setting(report):
    markdown, page, _ = report()
    for text in ("fake CPU", "0123456789abcdef", "keras 0.0-fake", "1 min 01 s in 1 runs", "quick", "clean"):
        assert text in markdown
        assert any(text in data for data in page.text)
    assert "SYNTHETIC" not in markdown + "".join(page.text)


def test_synthetic_data_is_loud(report):
    markdown, page, _ = report("phantom-fundus")
    assert markdown.index("SYNTHETIC DATA") < markdown.index("**Data**")
    assert "synthetic" in [attrs.get("class") for attrs in page.named("p")]
    assert "phantom-fundus (synthetic)" in markdown


def test_a_sample_is_told_in_the_words_of_its_data_set(report):
    said = "A sample of real images: 9 cells. They are not comparable with the paper's."
    markdown, page, _ = report("cells", sample=said)
    assert markdown.index(f"> **{said}**") < markdown.index("**Data**")
    assert said in page.text and "cells (sample)" in markdown and "SYNTHETIC" not in markdown


def test_odd_names_are_text_and_never_markup(report):
    evil = '<script src="http://x.example/a.js">&"'
    markdown, page, _ = report(title=evil, heading=evil, caption=evil, cell=evil)
    assert not page.named("script")
    assert page.text.count(evil) >= 4
    assert r"\<script" in markdown and " <script" not in markdown


def test_markdown_finds_its_figure_from_its_folder(report):
    markdown, _, folder = report()
    assert "](<../runs/figures/bars.png>)" in markdown
    assert (folder / "../runs/figures/bars.png").is_file()
    assert "| Best | x | not run |" in markdown


def test_a_failed_report_leaves_the_old_one(report, tmp_path):
    before, _, folder = report()
    runs = read_runs(tmp_path / "runs")
    missing = Figure(tmp_path / "gone.png", "caption", "alt")
    for part, error in ((missing, FileNotFoundError), (3, ValueError)):
        with pytest.raises(error):
            write_report(folder, "New", [Section("x", [part])], runs)
    with pytest.raises(ValueError, match="at least one run"):
        write_report(folder, "New", [], [])
    assert (folder / "report.md").read_text(encoding="utf-8") == before
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.md"]
