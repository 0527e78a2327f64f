"""What a report says first: the paper, the same protocol here, a leak-free split, and what was not run."""

import numpy as np

from drcls.report.run_set import select_runs
from drcls.report.tables import accuracy_bounds, differing_settings
from drcls.report.text import interval, listing


def verdict(runs, reported, variant, measures, expected=()):
    """Sum up a report in three sentences and a list of what was not run.

    Args:
        runs: runs of one data set and profile, from `read_runs`.
        reported: str, the sentence that says what the paper reports.
        variant: the row of ours that is compared with it.
        measures: list of `Measure` to name, the first of them the paper's.
        expected: names of the rows that the paper reports.

    Numbers are means over the seeds with their standard deviation.

    Returns:
        list of str, sentences of plain text with `code` in backticks.
    """
    finished = select_runs(runs, finished=True)
    paper, clean = (select_runs(finished, variant=variant, protocol=name) for name in ("paper", "clean"))
    images = " on synthetic images" if any(run["phantom"] for run in runs) else ""
    images = images or (" on a sample of images" if any(run["sample"] for run in runs) else "")
    sentences = [
        reported,
        _of_protocol(f"The paper's protocol{images}", paper, variant, measures) + _leaked(paper),
        _of_protocol(f"A leak-free split{images}", clean, variant, measures) + _leaked(clean),
    ]
    measured = {run["variant"] for run in finished}
    if missing := [name for name in expected if name not in measured]:
        sentences.append(f"Not run: {listing(missing)}.")
    return sentences


def _of_protocol(subject, runs, variant, measures):
    """Say what one protocol gives."""
    if not runs:
        return f"{subject} was not run with `{variant}`."
    found = [_spread(runs, measure) for measure in measures]
    seeds = [str(run["seed"]) for run in runs]
    images = round(np.mean([run["num_test"] for run in runs]))
    bounds = accuracy_bounds(runs)
    measured = f"; 95 % interval of the accuracy over groups of images {interval(bounds)} %" if bounds else ""
    named = f"seed{'s' * (len(seeds) > 1)} {listing(seeds)}"
    if different := differing_settings(runs):
        named += f" with different settings: {different}"
    return f"{subject} gives {listing(found)} here (`{variant}`, {named}, {images:,} test images{measured})."


def _spread(runs, measure):
    values = [run["metrics"].get(measure.metric) for run in runs]
    return f"{measure.title.removesuffix(' (%)')} {measure.format(values)}{' %' if measure.percent else ''}"


def _leaked(runs):
    """Say how many test images the training part holds too."""
    audits = [run.get("leakage") for run in runs]
    if not audits or not all(audits):
        return " Its leaks were not audited." if audits else ""
    share, in_group = (100 * np.mean([audit.get(key, 0) for audit in audits]) for key in ("overall", "group"))
    if share:
        found = f"{share:.1f} % of its test images leaked: the training part holds the same or nearly the same image."
    else:
        found = "None of its test images leaked."
    if in_group > share:
        found += f" {in_group:.1f} % come from a group (a patient, a slide) that is in the training part too."
    return f" {found}"
