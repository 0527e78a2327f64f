"""Keep what a run measured: small committed copies in `experiments/results/`, and the tables made of them.

The README has one row a paper, each paper's README its own rows; `experiments/results/README.md` has every row,
phantoms too.

python -m experiments.results.collect runs/chexnet_cbam     copy finished runs, then renew the tables
python -m experiments.results.collect                       renew the tables alone
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

from drcls.files import read_json, write_json, write_text
from drcls.predictions import read_predictions
from experiments.results import decisions
from experiments.results.claims import EXPERIMENTS
from experiments.results.ledger import LEDGER, counts_sentence, counts_table, entries, ledger_page
from experiments.results.parts import PARTS, parts_table
from experiments.results.predictions import history, read_run
from experiments.results.runs import RESULTS
from experiments.results.tables import (
    all_results,
    augmentations_table,
    claims_table,
    findings_table,
    gains_table,
    outliers_table,
    robustness_table,
)

ROOT = RESULTS.parents[1]
ALL_RESULTS = RESULTS / "README.md"
BEGIN, END = "<!-- {}: made by experiments/results/collect.py -->\n", "<!-- end of {} -->\n"


def collect(run_set, force=False):
    """Copy metrics, intervals, leakage, environment and configuration of all finished runs of an experiment.

    The split is kept as the SHA-256 of `split.csv`: enough to see whether two runs shared it, and no list of
    images that a licence may forbid to hand on.

    Args:
        run_set: Path of the experiment's run folders, `runs/chexnet_cbam`.
        force: bool, replace committed files of other settings too.

    Raises:
        SystemExit: where there is no finished run, or a committed file is one of other settings.
    """
    run_set = Path(run_set)
    finished = sorted(run_set.glob("*/*/metrics.json"))
    if not finished:
        raise SystemExit(
            f"{run_set} holds no finished run; expected {run_set}/<data>-<protocol>-.../<variant>/"
        )
    if not force:
        for metrics in finished:
            check_settings(metrics.parent, committed_file(run_set, metrics.parent))
    for metrics in finished:
        folder = metrics.parent
        content = read_json(metrics) | {
            "env": read_json(folder / "env.json"),
            "config": read_json(folder / "config.json"),
            "split_sha256": hashlib.sha256((folder / "split.csv").read_bytes()).hexdigest(),
        }
        if (folder / "predictions.csv").is_file():
            content["right"] = which_are_right(folder / "predictions.csv")
        if (folder / "learners.json").is_file():
            content["learners"] = {
                name: summary(measured) for name, measured in read_json(folder / "learners.json").items()
            }
        for extra in (
            folder / "explainers.json",
            folder / "robustness.json",
            *sorted(folder.glob("external-*.json")),
        ):
            if extra.is_file():
                content[extra.stem] = read_json(extra)
        content["history"] = history(folder)
        target = committed_file(run_set, folder)
        write_json(target, content)
        if (folder / "leaked.csv").is_file():
            read_run(folder).save(target.with_suffix(".npz"))
        print(target.relative_to(ROOT))


def committed_file(run_set, folder):
    """Return where the result of a run folder is kept, a Path."""
    return RESULTS / run_set.name / folder.parent.name / f"{folder.name}.json"


def check_settings(folder, target):
    """Refuse to replace a committed file by a run of other settings."""
    if not target.is_file():
        return
    now, committed = read_json(folder / "config.json"), read_json(target)["config"]
    different = [key for key in {**committed, **now} if committed.get(key) != now.get(key)]
    if different:
        listed = ", ".join(
            f"{key}: {committed.get(key)} there, {now.get(key)} in {folder}" for key in different
        )
        raise SystemExit(
            f"{target} was made with other settings ({listed}); nothing was copied; leave that run out, or replace the "
            "committed files with --force"
        )


def collect_findings(run_set):
    """Copy what a report works out from several runs: gains, spreads, sweeps."""
    for file in sorted(Path(run_set).glob("report-*/*.json")):
        data, profile = file.parent.name.removeprefix("report-").rsplit("-", 1)
        content = {"data": data, "profile": profile} | read_json(file)
        target = RESULTS / Path(run_set).name / f"{file.stem}-{data}-{profile}.json"
        if "gains" in content and target.is_file():
            content = with_other_gains(content, read_json(target))
        write_json(target, content)


def with_other_gains(content, committed):
    """Keep the committed gains of rows that are not among the runs collected now."""
    measured = {(gain["protocol"], gain["backbone"]) for gain in content["gains"]}
    kept = [gain for gain in committed["gains"] if (gain["protocol"], gain["backbone"]) not in measured]
    return committed | content | {"gains": kept + content["gains"]}


def collect_outliers(run_set):
    """Copy how well injected outliers were found, for each split."""
    for file in sorted(Path(run_set).glob("*/outliers.json")):
        _, protocol, profile, seed = file.parent.name.rsplit("-", 3)
        content = read_json(file) | {
            "protocol": protocol,
            "profile": profile,
            "seed": int(seed.removeprefix("s")),
        }
        write_json(RESULTS / Path(run_set).name / f"outliers-{file.parent.name}.json", content)


def which_are_right(predictions):
    """Say which test images were classified rightly, in the order of `split.csv`: bits as hexadecimal digits.

    Enough to compare two rows of one split by McNemar's test, without naming an image.
    """
    frame = read_predictions(predictions)
    return np.packbits(frame["label"] == frame["predicted"]).tobytes().hex()


def summary(measured):
    """Keep the figures of one of many learners that are a single number, and their intervals."""
    single = {
        name: value for name, value in measured["metrics"].items() if not isinstance(value, dict | list)
    }
    return {"metrics": single, "intervals": measured["intervals"]}


def tables():
    """Return what belongs between the marks of each page: dict, Path -> dict, name of the marks -> Markdown."""
    ledger = {name: entries(name) for name in EXPERIMENTS}
    pages = {
        ROOT / "README.md": {"findings": findings_table(RESULTS), "verdicts": counts_sentence(ledger)},
        RESULTS.parent / "README.md": {"verdicts": counts_table(ledger)},
    }
    for name in EXPERIMENTS:
        pages[RESULTS.parent / name / "README.md"] = {"results": claims_table(RESULTS, name)}
    for name in PARTS:
        pages[RESULTS.parent / name / "README.md"]["parts"] = parts_table(RESULTS, name)
    for name in decisions.PROTOCOLS_SHOWN:
        pages[RESULTS.parent / name / "README.md"]["decisions"] = decisions.decisions_table(RESULTS, name)
    pages[RESULTS.parent / "smote_transfer" / "README.md"]["gains"] = gains_table(
        RESULTS, with_phantoms=False
    )
    pages[RESULTS.parent / "blood_cells" / "README.md"] |= {
        "outliers": outliers_table(RESULTS, with_phantoms=False),
        "robustness": robustness_table(RESULTS, with_phantoms=False),
        "augmentations": augmentations_table(RESULTS),
    }
    return pages


def between(text, name):
    """Return what is before, between and after the two marks of a table."""
    before, rest = text.split(BEGIN.format(name))
    shown, after = rest.split(END.format(name))
    return before, shown, after


def renew_tables():
    """Put each table between its two marks; renew the page of all results and the ledger."""
    for page, made in tables().items():
        text = page.read_text(encoding="utf-8")
        for name, table in made.items():
            before, _, after = between(text, name)
            text = before + BEGIN.format(name) + table + END.format(name) + after
        write_text(page, text)
    write_text(ALL_RESULTS, all_results(RESULTS))
    write_text(LEDGER, ledger_page({name: entries(name) for name in EXPERIMENTS}))


def run_set_folder(text):
    """A folder of runs that is named after its experiment."""
    path = Path(text).absolute()  # `resolve` would name what a link points to
    if path.name not in EXPERIMENTS:
        raise argparse.ArgumentTypeError(
            f"{text}: expected a folder named after an experiment, one of {', '.join(EXPERIMENTS)}"
        )
    return path


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_sets", type=run_set_folder, nargs="*", metavar="runs/NAME")
    parser.add_argument("--force", action="store_true", help="replace committed files of other settings too")
    options = parser.parse_args(arguments)
    for run_set in options.run_sets:
        collect(run_set, options.force)
        collect_findings(run_set)
        collect_outliers(run_set)
    renew_tables()


if __name__ == "__main__":
    main(sys.argv[1:])
