"""The page of results: every number leads to its files, and nothing on it needs Keras."""

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from drcls.files import read_json
from experiments.results import ledger, page
from experiments.results.bars import bars, lines, ranges
from experiments.results.claims import CLAIMS, EXPERIMENTS
from experiments.results.figures import FIGURES, FOLDER, draw_all

ROOT = Path(page.__file__).resolve().parents[2]
WITHOUT_KERAS = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "tensorflow", "jax", "torch", "cv2", "tqdm", "imblearn"):
            raise ImportError(f"{name} was imported")
sys.meta_path.insert(0, Refuse())
from experiments.results import page
page.main([sys.argv[1]])
"""


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets, self.anchors, self.loaded = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get("id"))
        if tag == "a":
            self.targets.append(attrs["href"])
        self.loaded += [attrs[key] for key in ("src",) if key in attrs] + [tag] * (
            tag in ("script", "iframe")
        )


@pytest.fixture(scope="module")
def html():
    return page.render()


def test_the_page_loads_nothing_and_every_link_leads_somewhere(html):
    found = Links(html)
    assert found.loaded and all(source.startswith("data:image/png;base64,") for source in found.loaded)
    for target in found.targets:
        if target.startswith("#"):
            assert target[1:] in found.anchors, target
        elif not target.startswith("https://"):
            assert (ROOT / target.split("#")[0]).exists(), target


def test_every_claim_leads_to_its_files_and_commands(html):
    found = Links(html)
    for number, claim in enumerate(CLAIMS, 1):
        for protocol in ("paper", "clean"):
            runs = f"{claim.data}-{protocol}-{claim.profile}-s*/{claim.variant}.json"
            measured = list((ROOT / "experiments/results" / claim.experiment).glob(runs))
            assert (f"#files-{number}-{protocol}" in found.targets) == bool(measured)
    assert "--profile" in html


def test_the_counts_are_those_of_the_ledger(html):
    for name in EXPERIMENTS:
        refuted = sum(entry.verdict == "refuted" for entry in ledger.entries(name))
        section = html.split(f'<h2 id="{name}">')[1].split("</section>")[0]
        assert re.search(rf'ledger\.md#{name}">{refuted}</a> refuted', section)


def test_it_is_built_with_what_make_results_installs(tmp_path):
    command = [sys.executable, "-c", WITHOUT_KERAS, str(tmp_path / "results.html")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert (tmp_path / "results.html").stat().st_size > 100_000


def test_what_is_drawn_is_returned(tmp_path):
    found = bars(
        tmp_path / "b.png", ["a", "b"], {"x": [[1.0, 2.0], []], "y": [[3.0], [4.0]]}, "t", "%", ["k", "r"]
    )
    assert found == {"x": [1.5, None], "y": [3.0, 4.0]}
    found = lines(tmp_path / "l.png", {"x": ([0, 1], [[1.0, 2.0], [3.0]])}, "t", "x", "y", ["k"])
    assert found == {"x": [1.5, 3.0]}
    assert ranges(tmp_path / "r.png", ["a"], {"x": [(0.12345, 2)]}, "t", "%", ["k"]) == {"x": [[0.1235, 2.0]]}


def test_the_committed_figures_are_those_of_the_results(tmp_path):
    committed = read_json(FOLDER / "figures.json")
    assert draw_all(tmp_path) == committed
    assert len(committed) == sum(map(len, FIGURES.values()))
    for figure in committed:
        assert (FOLDER / f"{figure['name']}.png").stat().st_size < 60_000
        assert all((ROOT / file).is_file() for file in figure["files"])


@pytest.mark.parametrize("module", ["page", "collect", "ledger", "class_counts"])
def test_help_is_shown_and_nothing_is_written(module, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"experiments.results.{module}").main(["--help"])
    assert stop.value.code == 0 and "usage" in capsys.readouterr().out and not any(tmp_path.iterdir())
