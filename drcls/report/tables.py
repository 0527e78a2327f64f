"""The tables of a report: the paper's numbers beside measured ones, by model, by class and by run.

Every cell is text. A number that was not measured reads "not run" or "unfinished", one that cannot exist says
why; no cell is blank. Shares in 0..1 are shown in percent, as papers report them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from drcls.metrics import shown_interval, wilson_interval
from drcls.report.run_set import seed_values
from drcls.report.text import interval, kind_of_images, mean_sd

NOT_RUN = "not run"
UNFINISHED = "unfinished"
NOT_REPORTED = "not reported"
PROTOCOLS = ("paper", "clean")
HEADS = {"paper": "ours, paper's protocol", "clean": "ours, leak-free"}
SPREAD = (
    "± is the standard deviation over seeds. The 95 % interval of an accuracy is a bootstrap over groups of test "
    "images: the lowest and the highest bound of the seeds' intervals. Wilson's, of a class, takes its images as "
    "independent."
)
# Of a configuration: what differs between the seeds of one row without a word about how they were trained.
_NO_SETTINGS = ("seed", "save_model")
_LISTING = " (paper's / leak-free)"  # the order of the values in a joined column
_OF_ACCURACY = "95 % interval"
_OF_CLASS = "95 % interval (Wilson)"


@dataclass(frozen=True)
class Measure:
    """One measure of a table.

    Args:
        title: how the table and figures call it.
        metric: its key in `classification_metrics` (value in 0..1, or -1..1 for a kappa) and in a row of
            reported numbers, which lacks it where the paper does not report it.
        percent: show (and expect reported) percentages; otherwise the bare value with three decimals.
    """

    title: str
    metric: str
    percent: bool = True

    def format(self, values, digits=1):
        """Write the measure of one seed, or mean ± standard deviation over several, as `mean_sd` does.

        Args:
            values: one number per seed, in 0..1 where it is a percentage.
            digits: decimals of a percentage; a bare value has three.
        """
        return mean_sd(values, 100, digits) if self.percent else mean_sd(values)


def results_table(runs, published_rows, measures, notes=None):
    """Set the reported numbers of every model beside ours by protocol (as Tables 4 and 6 of CheXNet-CBAM).

    A model that was run has one row per measure: the mean over the seeds and their standard deviation. The
    accuracy has a second row, its interval over groups of test images: seeds that share a test part agree more
    than another sample of images would. A model that was not run has one row, with all that the paper reports.

    Args:
        runs: runs of one data set and profile, from `read_runs`; may be empty.
        published_rows: list of dict, one per model in the paper's order: `model` and the reported numbers.
        measures: list of `Measure`.
        notes: dict from model to a remark of ours, added to the note that the runs hold.

    Returns:
        pandas.DataFrame of text: model, measure, paper, one column per protocol, leaked share, seeds, note.
        Reported models come first, in the paper's order, then our own.

    Raises:
        ValueError: where the runs mix data sets or profiles.
    """
    check_one_setting(runs)
    published = {row["model"]: row for row in published_rows}
    rows = []
    for model in model_order(runs, published_rows):
        reported = published.get(model, {})
        ours = {protocol: _of(runs, model, protocol) for protocol in PROTOCOLS}
        shared = {
            "leaked" + _LISTING: _join(ours, _leaked),
            "seeds" + _LISTING: _join(ours, _seeds),
            "note": _note([run for part in ours.values() for run in part], (notes or {}).get(model)),
        }
        if any(ours.values()):
            rows += [{"model": model} | row | shared for row in _measure_rows(ours, reported, measures, runs)]
        else:
            rows.append({"model": model} | _row_not_run(ours, reported, measures, runs) | shared)
    return pd.DataFrame(rows)


def class_table(runs, published_rows, model, measures):
    """Set the reported numbers of one model's classes beside ours (as Tables 5 and 7 of CheXNet-CBAM).

    Args:
        runs: runs of one data set and profile.
        published_rows: list of dict, one per class: `class` and the reported numbers.
        model: the variant to show.
        measures: list of `Measure`; their `metric` is a key of the `per_class` entries.

    Returns:
        pandas.DataFrame of text: class in the order of the data set, measure, paper, one column per protocol, the
        share of that class's test images that leaked, how many test images it has, and the seeds. The recall has a
        second row, Wilson's interval.

    Raises:
        ValueError: where the runs mix data sets or profiles.
    """
    check_one_setting(runs)
    published = {row["class"]: row for row in published_rows}
    ours = {protocol: _of(runs, model, protocol) for protocol in PROTOCOLS}
    measured = [
        name for part in ours.values() for run in part if run["finished"] for name in run["class_names"]
    ]
    rows = []
    for name in dict.fromkeys([*measured, *published]):
        shared = {
            "leaked" + _LISTING: _join(ours, lambda part, name=name: _leaked(part, name)),
            "test images" + _LISTING: _join(ours, lambda part, name=name: _support(part, name)),
            "seeds" + _LISTING: _join(ours, _seeds),
        }
        found = _measure_rows(ours, published.get(name, {}), measures, runs, name)
        rows += [{"class": name} | row | shared for row in found]
    return pd.DataFrame(rows)


def runs_table(runs):
    """List the runs behind a report, finished or not, with where and how long they ran."""
    rows = []
    for run in runs:
        env = run["env"]
        rows.append(
            {
                "variant": run["variant"],
                "data": run["data"] + kind_of_images([run]),
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


def list_seeds(runs):
    """Name the seeds that one row averages, and the settings in which their trainings differ.

    Args:
        runs: list of dict with `seed` and, where it is known, `config`; of one row.

    Returns:
        str, as in "0, 1" or "0, 1 (epochs 15, 1)".
    """
    seeds, different = ", ".join(str(run["seed"]) for run in runs), differing_settings(runs)
    return f"{seeds} ({different})" if different else seeds


def differing_settings(runs):
    """Return the settings in which the seeds of one row differ, as in "epochs 15, 1"; "" where they are alike.

    Args:
        runs: as for `list_seeds`.
    """
    configs = [run.get("config", {}) for run in runs]
    names = dict.fromkeys(name for config in configs for name in config if name not in _NO_SETTINGS)
    values = {name: [config.get(name) for config in configs] for name in names}
    return "; ".join(
        f"{name} {', '.join(map(str, found))}"
        for name, found in values.items()
        if any(value != found[0] for value in found)
    )


def duration(seconds):
    """Write a wall time in seconds as hours, minutes and seconds; None is "not recorded"."""
    if seconds is None:
        return "not recorded"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    )


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


def accuracy_bounds(runs):
    """Return the outermost bounds of the seeds' 95 % intervals of accuracy, (low, high); None where one has none.

    Args:
        runs: list of dict, finished runs of one row; `intervals` as `drcls.evaluate` gives them.
    """
    found = [shown_interval(run["intervals"]["accuracy"])[1] for run in runs]
    if not found or None in found:
        return None
    return min(low for low, _ in found), max(high for _, high in found)


def _measure_rows(ours, reported, measures, runs, class_name=None):
    """Return one row per measure, and an interval below accuracy and recall of a class."""
    rows = []
    for measure in measures:
        row = {"measure": measure.title, "paper": _reported(reported, measure)}
        row |= {_head(name, runs): _cell(part, measure, class_name) for name, part in ours.items()}
        rows.append(row)
        if measure.metric == ("accuracy" if class_name is None else "recall"):
            bounds = reported.get("interval")
            title = _OF_ACCURACY if class_name is None else _OF_CLASS
            row = {"measure": title, "paper": interval(bounds, 1, 2) if bounds else NOT_REPORTED}
            rows.append(row | {_head(name, runs): _interval(part, class_name) for name, part in ours.items()})
    return rows


def _row_not_run(ours, reported, measures, runs):
    """Return the one row of a model that nobody ran here: all that the paper reports of it."""
    known = [measure for measure in measures if reported.get(measure.metric) is not None]
    row = {
        "measure": " / ".join(measure.title.removesuffix(" (%)") for measure in known) or NOT_REPORTED,
        "paper": " / ".join(_reported(reported, measure) for measure in known) or NOT_REPORTED,
    }
    return row | {_head(name, runs): NOT_RUN for name in ours}


def _of(runs, model, protocol):
    return [run for run in runs if run["variant"] == model and run["protocol"] == protocol]


def _finished(part):
    return [run for run in part if run["finished"]]


def _head(protocol, runs):
    return HEADS[protocol] + kind_of_images(runs)


def _join(ours, text):
    texts = [text(part) for part in ours.values()]
    return NOT_RUN if set(texts) == {NOT_RUN} else " / ".join(texts)


def _reported(row, measure):
    """Return the paper's number as reported."""
    value = row.get(measure.metric)
    if value is None:
        return NOT_REPORTED
    return f"{value:.2f}" if measure.percent else f"{value:.3f}"


def _state(part):
    """Return why there is no figure: never started, or not finished; None where there is one."""
    if not part:
        return NOT_RUN
    return None if any(run["finished"] for run in part) else UNFINISHED


def _cell(part, measure, class_name=None):
    """Return mean ± standard deviation over the finished seeds, or the bare number of a single one."""
    if state := _state(part):
        return state
    return measure.format(seed_values(_finished(part), measure.metric, class_name), 2)


def _interval(part, class_name=None):
    """Return the interval of accuracy, or Wilson's of the mean recall of a class at the mean number of its images."""
    if state := _state(part):
        return state
    runs = _finished(part)
    if class_name is None:
        return interval(accuracy_bounds(runs))
    values = seed_values(runs, "recall", class_name)
    numbers = [_class_support(run, class_name) for run in runs]
    if np.isnan(values).any() or not min(numbers):
        return "undefined"
    number = round(np.mean(numbers))
    return interval(wilson_interval(round(values.mean() * number), number))


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
    numbers = [_class_support(run, class_name) for run in _finished(part)]
    return str(min(numbers)) if min(numbers) == max(numbers) else f"{min(numbers)}-{max(numbers)}"


def _class_support(run, class_name):
    return int(run["metrics"]["per_class"][class_name]["support"])


def _seeds(part):
    return _state(part) or list_seeds(_finished(part))


def _note(part, remark):
    """Join our remark, the remarks in the runs, and which seeds are unfinished."""
    unfinished = [f"{run['protocol']} seed {run['seed']}" for run in part if not run["finished"]]
    remarks = [remark, *(run.get("note") for run in part)]
    if unfinished:
        remarks.append(f"unfinished: {', '.join(unfinished)}")
    return "; ".join(dict.fromkeys(text for text in remarks if text)) or "-"
