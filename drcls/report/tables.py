"""The tables of a report: the paper's printed figures beside measured ones, and what the difference is worth.

Every cell is text. A figure that was not measured reads "not run" or "unfinished", one that cannot exist says
why; no cell is blank. Shares in 0..1 are shown in percent, as papers print them.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drcls.metrics import mcnemar_exact, wald_interval
from drcls.report.run_set import read_predictions, seed_spread

NOT_RUN = "not run"
UNFINISHED = "unfinished"
NOT_PRINTED = "not printed"
PROTOCOLS = ("paper", "clean")


@dataclass(frozen=True)
class Measure:
    """One measure of a table.

    Args:
        title: how the table and figures call it.
        metric: its key in `classification_metrics` (value in 0..1, or -1..1 for a kappa) and in a row of
            printed figures, which lacks it where the paper does not print it.
        percent: show (and expect printed) percentages; otherwise the bare value with three decimals.
    """

    title: str
    metric: str
    percent: bool = True


def results_table(runs, published_rows, measures, protocols=PROTOCOLS, notes=None):
    """Set the printed figures of every model beside ours by protocol (as Tables 4 and 6 of CheXNet-CBAM).

    Args:
        runs: runs of one data set and profile, from `read_runs`; may be empty.
        published_rows: list of dict, one per model in the paper's order: `model` and the printed figures.
        measures: list of `Measure`, one row each.
        protocols: the protocols to show, one column each.
        notes: dict from model to a remark of ours, added to the note that the runs hold.

    Returns:
        pandas.DataFrame of text: model, measure, paper, one column per protocol, leaked share, seeds, note.
        Printed models come first, in the paper's order, then our own.

    Raises:
        ValueError: where the runs mix data sets or profiles.
    """
    check_one_setting(runs)
    published = {row["model"]: row for row in published_rows}
    rows = []
    for model in model_order(runs, published_rows):
        ours = {protocol: _of(runs, model, protocol) for protocol in protocols}
        shared = {
            "leaked share" + _listing(protocols): _join(ours, _leaked),
            "seeds" + _listing(protocols): _join(ours, _seeds),
            "note": _note([run for part in ours.values() for run in part], (notes or {}).get(model)),
        }
        for measure in measures:
            row = {"model": model, "measure": measure.title, "paper": _printed(published.get(model), measure)}
            row |= {_head(protocol, runs): _cell(part, measure) for protocol, part in ours.items()}
            rows.append(row | shared)
    return pd.DataFrame(rows)


def class_table(runs, published_rows, model, measures, protocols=PROTOCOLS):
    """Set the printed figures of one model's classes beside ours (as Tables 5 and 7 of CheXNet-CBAM).

    Args:
        runs: runs of one data set and profile.
        published_rows: list of dict, one per class in the paper's order: `class` and the printed figures.
        model: the variant to show.
        measures: list of `Measure`; their `metric` is a key of the `per_class` entries.
        protocols: the protocols to show, one column each.

    Returns:
        pandas.DataFrame of text: class, measure, paper, one column per protocol, the share of that class's
        test images that leaked, and how many test images it has.

    Raises:
        ValueError: where the runs mix data sets or profiles.
    """
    check_one_setting(runs)
    published = {row["class"]: row for row in published_rows}
    ours = {protocol: _of(runs, model, protocol) for protocol in protocols}
    measured = [
        name for part in ours.values() for run in part if run["finished"] for name in run["class_names"]
    ]
    rows = []
    for name in dict.fromkeys([*published, *measured]):
        shared = {
            "leaked share" + _listing(protocols): _join(ours, lambda part, name=name: _leaked(part, name)),
            "test images" + _listing(protocols): _join(ours, lambda part, name=name: _support(part, name)),
        }
        for measure in measures:
            row = {"class": name, "measure": measure.title, "paper": _printed(published.get(name), measure)}
            row |= {_head(protocol, runs): _cell(part, measure, name) for protocol, part in ours.items()}
            rows.append(row | shared)
    return pd.DataFrame(rows)


def intervals_table(runs, published_rows, reference, printed_num_test):
    """Set the printed intervals beside the right ones (as Tables 8 and 9 of CheXNet-CBAM).

    The printed accuracy is put through the paper's own Eq. 25 (Wald) at the size of its test part, and the
    number of test images that the printed interval implies stands beside it. Ours come from the run:
    Wald, Wilson, and the bootstrap over groups, which alone counts copies of one image as one. The difference
    to the reference model is tested on the same test images by McNemar's exact test, seed by seed, where an
    image that stands in the test part several times counts once.

    Args:
        runs: runs of one data set, profile and protocol.
        published_rows: list of dict, one per model: `model`, `accuracy` in percent, `interval` [low, high].
            Empty where the paper prints no interval; the columns of the paper are then left out.
        reference: the model that the others are compared with.
        printed_num_test: how many test images the paper's protocol gives; None where it prints no interval.

    Returns:
        pandas.DataFrame of text, one row per model and seed.

    Raises:
        ValueError: where the runs mix data sets, profiles or protocols.
    """
    check_one_setting(runs, "protocol")
    published = {row["model"]: row for row in published_rows}
    ours = f"ours{_phantom(runs)}: "
    rows = []
    for model in model_order(runs, published_rows):
        printed = _printed_interval(published.get(model), printed_num_test) if published else {}
        for run in [run for run in runs if run["variant"] == model] or [None]:
            rows.append(
                {"model": model}
                | printed
                | {ours + key: value for key, value in _measured_interval(run, runs, reference).items()}
            )
    return pd.DataFrame(rows)


def runs_table(runs):
    """List the runs behind a report, finished or not, with where and how long they ran."""
    rows = []
    for run in runs:
        env = run["env"]
        rows.append(
            {
                "variant": run["variant"],
                "data": run["data"] + _phantom([run]),
                "protocol": run["protocol"],
                "profile": run["profile"],
                "seed": str(run["seed"]),
                "state": "finished" if run["finished"] else UNFINISHED,
                "test images": str(run["num_test"]) if run["finished"] else UNFINISHED,
                "wall time": duration(env.get("wall_seconds")),
                "device": str(env.get("device", "not recorded")),
                "commit": str(env.get("git_commit") or "not recorded")[:12],
            }
        )
    return pd.DataFrame(rows)


def duration(seconds):
    """Write a wall time in seconds as hours, minutes and seconds; None is "not recorded"."""
    if seconds is None:
        return "not recorded"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )


def to_markdown(frame):
    """Write a DataFrame of text as a Markdown table, without its index.

    Names are escaped, so that a pipe or an angle bracket in a class name neither breaks the table nor
    becomes HTML.
    """
    lines = [[str(cell) for cell in row] for row in [frame.columns, *frame.itertuples(index=False)]]
    lines.insert(1, ["---"] * len(frame.columns))
    escaped = [[cell if cell == "---" else escape_markdown(cell) for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def escape_markdown(text):
    """Escape what Markdown would read as markup in a table cell or a line of text."""
    text = re.sub(r"([\\`*|<\[\]])|(?<!\w)_|_(?!\w)", lambda match: "\\" + match.group(), text)
    return " ".join(text.split())


def check_one_setting(runs, *more):
    """Raise ValueError where runs differ in data set, profile or another field: figures must not be mixed."""
    for key in ("data", "profile", *more):
        values = sorted({run[key] for run in runs})
        if len(values) > 1:
            raise ValueError(
                f"runs of several settings in one table or figure: {key}={values}, expected one {key}"
            )


def model_order(runs, published_rows):
    """Return the printed models in the paper's order, then the variants that only we ran, by name."""
    return list(
        dict.fromkeys([row["model"] for row in published_rows] + sorted({run["variant"] for run in runs}))
    )


def _of(runs, model, protocol):
    return [run for run in runs if run["variant"] == model and run["protocol"] == protocol]


def _phantom(runs):
    return " (phantom)" if any(run["phantom"] for run in runs) else ""


def _head(protocol, runs):
    return f"ours, {protocol} protocol{_phantom(runs)}"


def _listing(protocols):
    """Name the order of the values in a joined column, as in " (paper / clean)"."""
    return f" ({' / '.join(protocols)})"


def _join(ours, text):
    return " / ".join(text(part) for part in ours.values())


def _printed(row, measure):
    """Return the paper's figure as printed."""
    value = (row or {}).get(measure.metric)
    if value is None:
        return NOT_PRINTED
    return f"{value:.2f}" if measure.percent else f"{value:.3f}"


def _state(part):
    """Return why there is no figure: never started, or not finished; None where there is one."""
    if not part:
        return NOT_RUN
    return None if any(run["finished"] for run in part) else UNFINISHED


def _cell(part, measure, class_name=None):
    """Return mean ± standard deviation over the finished seeds, or the bare figure of a single one."""
    if state := _state(part):
        return state
    mean, deviation, number = seed_spread(
        [run for run in part if run["finished"]], measure.metric, class_name
    )
    if math.isnan(mean):
        return "undefined"
    scale, digits = (100, 2) if measure.percent else (1, 3)
    if number == 1:
        return f"{scale * mean:.{digits}f}"
    return f"{scale * mean:.{digits}f} ± {scale * deviation:.{digits}f} (n={number})"


def _leaked(part, class_name=None):
    """Return the share of test images that stand in the training part too, averaged over the seeds."""
    if state := _state(part):
        return state
    audits = [run.get("leakage") for run in part if run["finished"]]
    if not all(audits):
        return "not audited"
    shares = [
        audit["overall"] if class_name is None else audit["per_class"].get(class_name) for audit in audits
    ]
    return "no test image" if None in shares else f"{100 * np.mean(shares):.1f} %"


def _support(part, class_name):
    """Return the number of test images of a class, as a range where the seeds differ."""
    if state := _state(part):
        return state
    numbers = [int(run["metrics"]["per_class"][class_name]["support"]) for run in part if run["finished"]]
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)}-{max(numbers)}"


def _seeds(part):
    seeds = [str(run["seed"]) for run in part if run["finished"]]
    return _state(part) or ", ".join(seeds)


def _note(part, remark):
    """Join our remark, the remarks in the runs, and which seeds are unfinished."""
    unfinished = [f"{run['protocol']} seed {run['seed']}" for run in part if not run["finished"]]
    remarks = [remark, *(run.get("note") for run in part)]
    if unfinished:
        remarks.append(f"unfinished: {', '.join(unfinished)}")
    return "; ".join(dict.fromkeys(text for text in remarks if text)) or "-"


def _printed_interval(row, num_test):
    """Return the paper's interval and what its own formula gives for its accuracy."""
    heads = (
        "paper: accuracy (%)",
        "paper: 95 % interval",
        f"Eq. 25 at N={num_test}",
        "N that the interval implies",
    )
    if row is None:
        return dict.fromkeys(heads, NOT_PRINTED)
    accuracy, (low, high) = row["accuracy"] / 100, row["interval"]
    half = (high - low) / 200
    implied = f"{1.96**2 * accuracy * (1 - accuracy) / half**2:.0f}" if half else "none: it has no width"
    recomputed = wald_interval(accuracy, num_test)
    cells = (f"{row['accuracy']:.2f}", f"{low:.2f} to {high:.2f}", _interval(recomputed), implied)
    return dict(zip(heads, cells, strict=True))


def _measured_interval(run, runs, reference):
    """Return our accuracy, its intervals, and the paired difference to the reference of the same seed."""
    heads = ("seed", "N", "accuracy (%)", "Wald", "Wilson", "bootstrap over groups")
    compared = (f"difference to {reference} (points)", "McNemar exact p")
    if run is None or not run["finished"]:
        return dict.fromkeys(heads + compared, NOT_RUN if run is None else UNFINISHED)
    intervals = run["intervals"]["accuracy"]
    cells = [str(run["seed"]), str(run["num_test"]), f"{100 * run['metrics']['accuracy']:.2f}"]
    cells += [_interval(intervals[kind]) for kind in ("wald", "wilson", "bootstrap")]
    return dict(zip(heads + compared, (*cells, *_compare(run, runs, reference)), strict=True))


def _compare(run, runs, reference):
    """Return the difference in accuracy to the reference in points and McNemar's exact p, as text."""
    if run["variant"] == reference:
        return "reference", "reference"
    others = [other for other in runs if other["variant"] == reference and other["seed"] == run["seed"]]
    if not others or not others[0]["finished"]:
        return ("reference " + (UNFINISHED if others else NOT_RUN),) * 2
    mine, theirs = (read_predictions(one).sort_values("path", kind="stable") for one in (run, others[0]))
    if mine["path"].tolist() != theirs["path"].tolist():
        return ("different test images",) * 2
    difference = 100 * (run["metrics"]["accuracy"] - others[0]["metrics"]["accuracy"])
    # Copies of an image are no independent tosses: an oversampled test part would make any p small.
    mine, theirs = mine.drop_duplicates("path"), theirs.drop_duplicates("path")
    p_value = mcnemar_exact(mine["label"], mine["predicted"], theirs["predicted"])["p_value"]
    return f"{difference:+.2f}", "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _interval(bounds):
    low, high = bounds
    return f"{100 * low:.2f} to {100 * high:.2f}"
