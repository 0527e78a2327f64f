"""One self-contained page over all five papers: what each claims, what holds here, how much leaks, every verdict.

python -m experiments.results.page [FILE.html]        write it, ./results.html unless a file is named

Made of committed files alone, in seconds, without Keras or TensorFlow.
"""

import argparse
import base64
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, FileSystemLoader
from PIL import Image

from drcls.files import read_json, write_text
from drcls.report import accuracy_bounds, interval
from drcls.report.page import TEMPLATES
from experiments.results import ledger
from experiments.results.claims import CLAIMS, EXPERIMENTS, runs_of
from experiments.results.figures import FOLDER
from experiments.results.runs import RESULTS
from experiments.results.tables import kappa_of, leaked, named_seeds, spread

ROOT = RESULTS.parents[1]
PAGE = ROOT / "results.html"
PROTOCOLS = {"paper": "the paper's protocol", "clean": "a leak-free split"}
ABOUT = {
    "chexnet_cbam": "A DenseNet121 with attention (CBAM), DropBlock and a Transformer encoder grades retinopathy on "
    "photographs of the retina, and is compared with five other networks.",
    "multiscale_attention": "A residual network with wavelets and attention at three scales grades retinopathy; a "
    "balanced softmax is to help the rare grades, and LIME, Grad-CAM and SHAP explain the answers.",
    "smote_transfer": "Classical learners on features of networks trained elsewhere, with SMOTE against imbalance, "
    "grade retinopathy and tell brain tumours apart.",
    "canine_rbc_focal": "Focal loss is to classify the red blood cells of dogs better than cross-entropy and "
    "resampling do when one class is much larger than the others.",
    "blood_cells": "A network with a frozen backbone, then with its last block trained, tells eight kinds of blood "
    "cell apart after duplicates and outliers were removed from the images.",
}
_TEMPLATES = TEMPLATES.overlay(
    loader=ChoiceLoader([FileSystemLoader(Path(__file__).with_name("templates")), TEMPLATES.loader])
)


@dataclass(frozen=True)
class ClaimRuns:
    """What the runs of one claim gave under one protocol, as text.

    Args:
        anchor: where on the page the files and commands behind the numbers are listed.
        runs: list of dict, from `runs_of`, one per seed.
    """

    anchor: str
    runs: list

    @property
    def accuracy(self):
        return spread(self.runs, "accuracy", 100, 1)

    @property
    def interval(self):
        return interval(accuracy_bounds(self.runs))

    @property
    def kappa(self):
        return kappa_of(self.runs)

    @property
    def leaked(self):
        return leaked(self.runs)

    @property
    def seeds(self):
        return named_seeds(self.runs)

    @property
    def commands(self):
        """The recorded commands, each once."""
        return list(dict.fromkeys(run["env"]["command"] for run in self.runs))

    @property
    def machines(self):
        return ", ".join(sorted({run["env"]["device"] for run in self.runs}))


def claim_rows():
    """Return the rows of the overview: each claim, and what was measured under both protocols.

    Returns:
        list of dict: `claim`, and `paper` and `clean`, a `ClaimRuns` or None where it was not run.
    """
    rows = []
    for number, claim in enumerate(CLAIMS, 1):
        row = {"claim": claim}
        for protocol in PROTOCOLS:
            found = runs_of(RESULTS, claim, protocol)
            row[protocol] = ClaimRuns(f"files-{number}-{protocol}", found) if found else None
        rows.append(row)
    return rows


def figures():
    """Return the committed figures by paper, with their pixels as base64 and their width in CSS pixels."""
    by_paper = {}
    for figure in read_json(FOLDER / "figures.json"):
        file = FOLDER / f"{figure['name']}.png"
        with Image.open(file) as image:
            width = round(image.width * 96 / image.info["dpi"][0])
        data = base64.b64encode(file.read_bytes()).decode("ascii")
        by_paper.setdefault(figure["paper"], []).append(figure | {"data": data, "width": width})
    return by_paper


def render():
    """Return the page as HTML."""
    verdicts = {name: ledger.entries(name) for name in EXPERIMENTS}
    everything = [entry for entries in verdicts.values() for entry in entries]
    return _TEMPLATES.get_template("results.html").render(
        rows=claim_rows(),
        protocols=PROTOCOLS,
        about=ABOUT,
        papers={name: ledger.read_paper(name).content for name in EXPERIMENTS},
        figures=figures(),
        verdicts=verdicts,
        kinds=Counter(entry.kind for entry in everything),
        everything=everything,
        names=ledger.VERDICTS,
        count=lambda entries: Counter(entry.verdict for entry in entries),
        link=_link,
    )


def _link(file):
    """Return the path of a result or source file as seen from the root of the repository."""
    inside = RESULTS / file
    return inside.relative_to(ROOT).as_posix() if inside.is_file() else file


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("page", type=Path, nargs="?", default=PAGE, metavar="FILE.html")
    page = parser.parse_args(arguments).page
    write_text(page, render())
    print(f"{page} ({page.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main(sys.argv[1:])
