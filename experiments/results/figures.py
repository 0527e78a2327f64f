"""The figures of the results page, drawn from the committed result files by the `figures.py` of each paper.

python -m experiments.results.figures        redraw experiments/results/figures/
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from drcls.files import read_json, write_json
from drcls.report import select_runs
from experiments.blood_cells import figures as blood_cells
from experiments.canine_rbc_focal import figures as canine_rbc_focal
from experiments.chexnet_cbam import figures as chexnet_cbam
from experiments.multiscale_attention import figures as multiscale_attention
from experiments.results.runs import RESULTS, real_runs
from experiments.smote_transfer import figures as smote_transfer

FOLDER = RESULTS / "figures"


@dataclass
class Source:
    """The runs and reported numbers that one figure draws on; remembers what it read and drew.

    Args:
        paper: str, name of the experiment.
        runs: list of dict, from `real_runs`.
    """

    paper: str
    runs: list
    files: list[str] = field(default_factory=list)
    numbers: dict = field(default_factory=dict)

    def draw(self, kind, *arguments):
        """Draw with one of the functions of `experiments.results.bars`, and remember the drawn numbers."""
        self.numbers = kind(*arguments)

    def reported(self, table, **row):
        """Return the rows of a reported table whose fields equal those given."""
        return [one for one in self.published()["tables"][table]["rows"] if row.items() <= one.items()]

    def published(self):
        """Return all that the paper reports."""
        return read_json(RESULTS.parent / self.paper / "published.json")

    def found(self, **wanted):
        """Return the runs of short profile whose fields equal those given, by seed."""
        runs = select_runs(self.runs, experiment=self.paper, profile="short", **wanted)
        self.files += [run["file"] for run in runs]
        return sorted(runs, key=lambda run: run["seed"])

    def values(self, read, **wanted):
        """Return a number in percent by seed; `read` is the name of a metric or a function of the run."""
        reader = read if callable(read) else lambda run: run["metrics"][read]
        return [100 * reader(run) for run in self.found(**wanted)]

    def file(self, name):
        """Return the content of another result file of this paper."""
        self.files.append(f"{self.paper}/{name}")
        return read_json(RESULTS / self.paper / name)


FIGURES = {
    "chexnet_cbam": chexnet_cbam.FIGURES,
    "multiscale_attention": multiscale_attention.FIGURES,
    "smote_transfer": smote_transfer.FIGURES,
    "canine_rbc_focal": canine_rbc_focal.FIGURES,
    "blood_cells": blood_cells.FIGURES,
}


def draw_all(folder=FOLDER):
    """Draw every figure, and write beside them what each shows and which files it was drawn from.

    Args:
        folder: Path to write `<name>.png` and `figures.json` to.

    Returns:
        list of dict: name, paper, alt, caption, files and numbers, as in `figures.json`.
    """
    runs, drawn = real_runs(), []
    for paper, functions in FIGURES.items():
        for function in functions:
            source = Source(paper, runs)
            caption = function(source, Path(folder) / f"{function.__name__}.png")
            files = [
                f"experiments/{paper}/published.json",
                *(f"experiments/results/{name}" for name in source.files),
            ]
            drawn.append(
                Drawn(function.__name__, paper, function.__doc__, caption, sorted(set(files)), source.numbers)
            )
    content = [asdict(one) for one in drawn]
    write_json(Path(folder) / "figures.json", content)
    return content


@dataclass(frozen=True)
class Drawn:
    """One figure: its file's name, paper, what it shows, its caption, the files behind it and the drawn numbers."""

    name: str
    paper: str
    alt: str
    caption: str
    files: list[str]
    numbers: dict


if __name__ == "__main__":
    for figure in draw_all():
        print(f"{FOLDER.name}/{figure['name']}.png")
