"""The tables of a report: the paper's numbers beside measured ones, and what the difference is worth.

Every cell is text. A number that was not measured reads "not run" or "unfinished", one that cannot exist says
why; no cell is blank. Shares in 0..1 are shown in percent, as papers report them.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drcls.metrics import wald_interval, wilson_interval
from drcls.report.paired import p_over_seeds, right_by_image
from drcls.report.run_set import read_predictions, seed_values
from drcls.report.text import interval, kind_of_images, listing, mean_sd, p_value

NOT_RUN = "not run"
UNFINISHED = "unfinished"
NOT_REPORTED = "not reported"
PROTOCOLS = ("paper", "clean")
HEADS = {"paper": "ours, paper's protocol", "clean": "ours, leak-free"}
SPREAD = (
    "± is the standard deviation over seeds. The 95 % interval is what the number of test images leaves open, at the "
    "mean over the seeds."
)
_SHORT_HEADS = {"paper": "paper's", "clean": "leak-free"}
_TEST_PART = "95 % interval (Wilson)"


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


def results_table(runs, published_rows, measures, protocols=PROTOCOLS, notes=None):
    """Set the reported numbers of every model beside ours by protocol (as Tables 4 and 6 of CheXNet-CBAM).

    A model that was run has one row per measure: the mean over the seeds and their standard deviation. The
    accuracy has a second row, Wilson's interval at the size of the test part: seeds that share a test part agree
    more than another sample of images would. A model that was not run has one row, with all that the paper reports.

    Args:
        runs: runs of one data set and profile, from `read_runs`; may be empty.
        published_rows: list of dict, one per model in the paper's order: `model` and the reported numbers.
        measures: list of `Measure`.
        protocols: the protocols to show, one column each.
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
        ours = {protocol: _of(runs, model, protocol) for protocol in protocols}
        shared = {
            "leaked" + _listing(protocols): _join(ours, _leaked),
            "seeds" + _listing(protocols): _join(ours, _seeds),
            "note": _note([run for part in ours.values() for run in part], (notes or {}).get(model)),
        }
        if any(ours.values()):
            rows += [{"model": model} | row | shared for row in _measure_rows(ours, reported, measures, runs)]
        else:
            rows.append({"model": model} | _row_not_run(ours, reported, measures, runs) | shared)
    return pd.DataFrame(rows)


def class_table(runs, published_rows, model, measures, protocols=PROTOCOLS):
    """Set the reported numbers of one model's classes beside ours (as Tables 5 and 7 of CheXNet-CBAM).

    Args:
        runs: runs of one data set and profile.
        published_rows: list of dict, one per class: `class` and the reported numbers.
        model: the variant to show.
        measures: list of `Measure`; their `metric` is a key of the `per_class` entries.
        protocols: the protocols to show, one column each.

    Returns:
        pandas.DataFrame of text: class in the order of the data set, measure, paper, one column per protocol, the
        share of that class's test images that leaked, how many test images it has, and the seeds. The recall has a
        second row, Wilson's interval.

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
    for name in dict.fromkeys([*measured, *published]):
        shared = {
            "leaked" + _listing(protocols): _join(ours, lambda part, name=name: _leaked(part, name)),
            "test images" + _listing(protocols): _join(ours, lambda part, name=name: _support(part, name)),
            "seeds" + _listing(protocols): _join(ours, _seeds),
        }
        found = _measure_rows(ours, published.get(name, {}), measures, runs, name)
        rows += [{"class": name} | row | shared for row in found]
    return pd.DataFrame(rows)


def reported_intervals_table(published_rows, num_test):
    """Check reported intervals by their own formula (Tables 8 and 9 of CheXNet-CBAM).

    Args:
        published_rows: list of dict, one per model: `model`, `accuracy` in percent, `interval` [low, high].
        num_test: how many test images the paper's protocol gives.

    Returns:
        pandas.DataFrame of text: model, the reported accuracy and interval, what Eq. 25 (Wald) gives at that many
        test images, and the number of test images that the reported width implies.
    """
    rows = []
    for row in published_rows:
        accuracy, (low, high) = row["accuracy"] / 100, row["interval"]
        half = (high - low) / 200
        implied = f"{1.96**2 * accuracy * (1 - accuracy) / half**2:.0f}" if half else "none: it has no width"
        rows.append(
            {
                "model": row["model"],
                "reported accuracy (%)": f"{row['accuracy']:.2f}",
                "reported 95 % interval": f"{low:.2f} to {high:.2f}",
                f"Eq. 25 at N = {num_test:,}": interval(wald_interval(accuracy, num_test), digits=2),
                "N that the reported interval implies": implied,
            }
        )
    return pd.DataFrame(rows)


def intervals_table(runs, reference):
    """List the accuracy of every run with its intervals, compared with a reference model.

    The intervals come from the run: Wald, Wilson, and the bootstrap over groups, which alone counts copies of one
    image as one. The difference to the reference model is tested on the same test images, seed by seed and over
    all seeds (`p_over_seeds`), where the images of a group count together.

    Args:
        runs: runs of one data set, profile and protocol.
        reference: the model that the others are compared with.

    Returns:
        pandas.DataFrame of text, one row per model and seed, and one for all seeds where there are several.

    Raises:
        ValueError: where the runs mix data sets, profiles or protocols.
    """
    check_one_setting(runs, "protocol")
    by_seed = {run["seed"]: run for run in runs if run["variant"] == reference}
    rows = []
    for model in model_order(runs, []):
        seeds = [run for run in runs if run["variant"] == model]
        rows += [{"model": model} | _interval_row(run, by_seed.get(run["seed"]), reference) for run in seeds]
        finished = [run for run in seeds if run["finished"]]
        if len(finished) > 1:
            rows.append({"model": model} | _interval_row_of_seeds(finished, by_seed, reference))
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


def mean_wilson(share, number):
    """Return Wilson's interval of a mean share over seeds, at the size of one test part: (low, high).

    Args:
        share: float in 0..1.
        number: images in the test part; a mean over seeds is rounded.
    """
    number = round(number)
    return wilson_interval(round(share * number), number)


def _measure_rows(ours, reported, measures, runs, class_name=None):
    """Return one row per measure, and Wilson's interval below accuracy and recall of a class."""
    rows = []
    for measure in measures:
        row = {"measure": measure.title, "paper": _reported(reported, measure)}
        row |= {_head(name, runs): _cell(part, measure, class_name) for name, part in ours.items()}
        rows.append(row)
        if measure.metric == ("accuracy" if class_name is None else "recall"):
            bounds = reported.get("interval")
            row = {"measure": _TEST_PART, "paper": interval(bounds, 1, 2) if bounds else NOT_REPORTED}
            rows.append(
                row | {_head(name, runs): _wilson(part, measure, class_name) for name, part in ours.items()}
            )
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


def _listing(protocols):
    """Name the order of the values in a joined column, as in " (paper's / leak-free)"."""
    return f" ({' / '.join(_SHORT_HEADS[protocol] for protocol in protocols)})"


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


def _wilson(part, measure, class_name=None):
    """Return Wilson's interval of the mean over the seeds."""
    if state := _state(part):
        return state
    values = seed_values(_finished(part), measure.metric, class_name)
    numbers = [
        run["num_test"] if class_name is None else _class_support(run, class_name) for run in _finished(part)
    ]
    if np.isnan(values).any() or not min(numbers):
        return "undefined"
    return interval(mean_wilson(values.mean(), np.mean(numbers)))


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
    seeds = [str(run["seed"]) for run in part if run["finished"]]
    return _state(part) or ", ".join(seeds)


def _note(part, remark):
    """Join our remark, the remarks in the runs, and which seeds are unfinished."""
    unfinished = [f"{run['protocol']} seed {run['seed']}" for run in part if not run["finished"]]
    remarks = [remark, *(run.get("note") for run in part)]
    if unfinished:
        remarks.append(f"unfinished: {', '.join(unfinished)}")
    return "; ".join(dict.fromkeys(text for text in remarks if text)) or "-"


def _interval_row(run, reference_run, reference):
    """Return one run's accuracy, its intervals, and the paired difference to the reference of the same seed."""
    heads = _interval_heads(reference)
    if not run["finished"]:
        return dict.fromkeys(heads, UNFINISHED) | {"seed": str(run["seed"])}
    bounds = run["intervals"]["accuracy"]
    cells = [str(run["seed"]), f"{run['num_test']:,}", f"{100 * run['metrics']['accuracy']:.2f}"]
    cells += [interval(bounds[kind]) for kind in ("wald", "wilson", "bootstrap")]
    return dict(zip(heads, (*cells, *_compare([run], {run["seed"]: reference_run}, reference)), strict=True))


def _interval_row_of_seeds(seeds, by_seed, reference):
    """Return the mean accuracy of several seeds and their paired difference to the reference."""
    numbers = sorted({run["num_test"] for run in seeds})
    cells = ["all", " to ".join(f"{number:,}" for number in dict.fromkeys([numbers[0], numbers[-1]]))]
    cells += [mean_sd([run["metrics"]["accuracy"] for run in seeds], 100, 2)]
    cells += ["by seed"] * 3
    return dict(zip(_interval_heads(reference), (*cells, *_compare(seeds, by_seed, reference)), strict=True))


def _interval_heads(reference):
    compared = (f"difference to {reference} (points)", "paired exact p")
    return ("seed", "N", "accuracy (%)", "Wald", "Wilson", "bootstrap over groups", *compared)


def _compare(seeds, by_seed, reference):
    """Return the difference in accuracy to the reference in points, and the p-value of all given seeds, as text."""
    if seeds[0]["variant"] == reference:
        return "reference", "reference"
    pairs = [(by_seed.get(run["seed"]), run) for run in seeds]
    both = [(one, run) for one, run in pairs if one is not None and one["finished"]]
    if not both:
        return (f"reference {NOT_RUN if pairs[0][0] is None else UNFINISHED}",) * 2
    pairs, partial = both, len(both) < len(pairs)
    right = [tuple(right_by_image(read_predictions(run)) for run in pair) for pair in pairs]
    if not all(one.index.equals(other.index) for one, other in right):
        return ("different test images",) * 2
    differences = [run["metrics"]["accuracy"] - one["metrics"]["accuracy"] for one, run in pairs]
    of_seeds = f", seed{'s' * (len(pairs) > 1)} {listing(run['seed'] for _, run in pairs)}" if partial else ""
    return mean_sd(differences, 100, 2, "+") + of_seeds, p_value(p_over_seeds(right))
