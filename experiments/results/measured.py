"""What the committed results say of a reported number: a verdict where they decide it, and in any case what was found.

A reported figure is decided only by runs with the settings that the paper names. Every setting that differs is
listed, and a run with one that differs decides nothing.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from drcls.files import read_json
from drcls.metrics import shown_interval, two_way_anova
from drcls.report import list_seeds, select_runs
from experiments.results.runs import RESULTS

# An interval confirms a figure only if it lies within so many points of it; a wider one leaves it open.
MARGIN = 0.03
# Rows without a part are as good as the reported row if every seed's interval ends at most so far below it.
NOT_WORSE_BY = 0.01
# A setting that the paper does not name: no run can be known to share it.
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class Measured:
    """What results say: a verdict or None, the sentence for the ledger, and the files it rests on."""

    verdict: str | None
    reason: str
    files: tuple[str, ...] = ()


def profiles_of(runs):
    """The profiles of runs, in the order of their names: rows of two profiles are never averaged."""
    return sorted({run["profile"] for run in runs})


def say(document, place, rule, runs):
    """What `rule` (a document's "measured") gives for the number or claim at `place`.

    Raises:
        ValueError: where the rule's kind is unknown.
    """
    if rule["kind"] not in KINDS:
        raise ValueError(
            f"{place}: measured kind must be one of {', '.join(KINDS)}, received {rule['kind']!r}"
        )
    return KINDS[rule["kind"]](document, place, rule, runs)


def reported_row(document, place, rule, runs):
    """A cell of a table against the row of ours whose settings differ least."""
    keys = place.split("/")
    table, row, column = document.tables[keys[2]], document.tables[keys[2]]["rows"][int(keys[4])], keys[5]
    label = _label(table, row, rule["rows"])
    if label is None or len(keys) > 6:
        return None
    settings = (
        rule["settings"] | rule["rows"][label]["settings"]
        if "settings" in rule["rows"][label]
        else rule["settings"]
    )
    groups = {}
    for run in select_runs(runs, experiment=rule["experiment"], protocol=rule["protocol"]):
        if run["variant"] in rule["rows"][label]["variants"] and _value(run, row, column) is not None:
            groups.setdefault((run["variant"], run["data"], run["profile"]), []).append(run)
    if not groups:
        return None
    chosen = min(groups.values(), key=lambda group: (len(differences(group[0], settings)), -len(group)))
    return _decide(document, place, chosen, row, column, differences(chosen[0], settings))


def _label(table, row, rows):
    named = [
        row.get("model"),
        table.get("model"),
        " ".join(str(row.get(key)) for key in table.get("keys", ())),
    ]
    return next((label for label in named if label in rows), None)


def _value(run, row, column):
    """The measure of a run that a column reports: of one class where the row is a class."""
    measures = run["metrics"]
    if "class" in row:
        measures = measures["per_class"].get(row["class"], {})
    value = measures.get(column)
    return value if isinstance(value, int | float) else None


def differences(run, settings):
    """Settings of the paper that a run does not share: "epochs 3 for 50"."""
    have = run["config"] | {"data": run["data"]}
    return [
        f"{name} {_short(have.get(name))} for {wanted}"
        if wanted != NOT_GIVEN
        else f"{name} not given in the paper"
        for name, wanted in settings.items()
        if have.get(name) != wanted
    ]


def _short(value):
    return Path(value).stem if isinstance(value, str) and value.endswith(".keras") else value


def _decide(document, place, runs, row, column, different):
    reported, half = document.share(place)
    values = [_value(run, row, column) for run in runs]
    found = f"Ours {_percent(np.mean(values))} (`{runs[0]['variant']}`, {runs[0]['data']}, seeds {list_seeds(runs)}"
    files = tuple(run["file"] for run in runs)
    intervals = [interval(run, row, column) for run in runs]
    if all(intervals):
        low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
        found += f", 95 % intervals of all seeds {_percent(low)} to {_percent(high)}"
    found += ")"
    if different:
        return Measured(None, f"{found}, with other settings: {'; '.join(different)}.", files)
    if not all(intervals):
        return Measured(None, f"{found}; no interval is kept for this measure.", files)
    if reported + half < low or reported - half > high:
        return Measured("refuted", f"{found}, the same settings: the intervals exclude the figure.", files)
    if reported - MARGIN <= low and high <= reported + MARGIN:
        within = f"the intervals contain the figure and stay within {100 * MARGIN:g} points of it"
        return Measured("confirmed", f"{found}, the same settings: {within}.", files)
    return Measured(
        None, f"{found}, the same settings: the intervals are too wide to confirm the figure.", files
    )


def interval(run, row, column):
    """The run's 95 % interval of a measure, as `shown_interval` chooses it, or None."""
    return shown_interval({} if "class" in row else run["intervals"].get(column, {}))[1]


def data_counts(document, place, rule, runs):
    """Counts of images against those of the same data set here: `class_counts-<data>.json` and the runs' test parts."""
    reported, name = document.number(place), place.split("/")[-1]
    table = document.tables.get(place.split("/")[2]) if place.startswith("/tables") else None
    if place.endswith("/split/test"):
        chosen = select_runs(
            runs, experiment=rule["experiment"], data=rule["data"], protocol=rule["protocol"]
        )
        have, files = {run["num_test"] for run in chosen}, tuple(run["file"] for run in chosen[:1])
        return _counted(reported, have, "test images of our runs", files, rule) if have else None
    path = RESULTS / f"class_counts-{rule['data']}.json"
    if not path.is_file():
        return None
    counts = read_json(path)["counts"]
    if table is not None and "/rows/" in place:
        named = table["rows"][int(place.split("/")[4])].get("class")
        have = {counts[named]} if name == "images" and named in counts else set()
    else:
        most = max(counts.values())
        have = {
            "total": {sum(counts.values()) if "balanced" not in place else len(counts) * most},
            "per_class": {most},
            "num_classes": {len(counts)},
        }.get(name, set())
    return _counted(reported, have, "images of our copy", (path.name,), rule) if have else None


def _counted(reported, have, what, files, rule):
    found = f"{' or '.join(map(str, sorted(have)))} {what}"
    if "differs" in rule:
        return Measured(None, f"{found}, {rule['differs']}.", files)
    return Measured("confirmed" if have == {reported} else "refuted", f"{found}.", files)


def setting(document, place, rule, runs):
    """How many of our runs of real data have a setting as reported."""
    names, reported = place.split("/")[2:], document.number(place)
    chosen = select_runs(runs, experiment=rule["experiment"], data=rule["data"], protocol=rule["protocol"])
    values = [_lookup(run["config"], names) for run in chosen]
    known = [value for value in values if value is not None]
    if not known:
        return None
    adopted = sum(value == reported for value in known)
    text = f"{adopted} of our {len(known)} runs under the paper's protocol have it"
    others = sorted({value for value in known if value != reported and isinstance(value, int | float)})
    return Measured(None, text + (f", others {', '.join(map(str, others))}." if others else "."))


def _lookup(config, names):
    for name in names:
        config = config.get(name) if isinstance(config, dict) else None
    return config if isinstance(config, int | float) else None


def code(document, place, rule, runs):
    """A setting that stands in the code."""
    return Measured(None, f"It stands so in `{rule['code']}`.", (rule["code"],))


def classes(document, place, rule, runs):
    """A number of classes against that of our runs on the same data."""
    have = {
        len(run["class_names"]) for run in select_runs(runs, experiment=rule["experiment"], data=rule["data"])
    }
    return _counted(document.number(place), have, "classes in our copy", (), rule) if have else None


def reached_without(document, place, rule, runs):
    """Whether a row without the parts that a claim credits reaches the reported figure under the same protocol."""
    reported, _ = document.share(rule["cell"])
    by_variant = {}
    for run in select_runs(runs, experiment=rule["experiment"], data=rule["data"], protocol=rule["protocol"]):
        if run["variant"] in rule["variants"]:
            by_variant.setdefault((run["variant"], run["profile"]), []).append(run)
    if not by_variant:
        return None
    found, reaching = [], []
    for (variant, profile), chosen in by_variant.items():
        intervals = [interval(run, {}, rule["measure"]) for run in chosen]
        mean = np.mean([run["metrics"][rule["measure"]] for run in chosen])
        listed = "; ".join(f"{_percent(low)} to {_percent(high)}" for low, high in intervals)
        found.append(f"`{variant}` {_percent(mean)} (`{profile}`, 95 % intervals by seed {listed})")
        if all(low >= reported - NOT_WORSE_BY for low, _ in intervals):
            reaching.append(f"`{variant}`")
    text = f"Without {rule['without']}, under the same protocol: {', '.join(found)}; reported {_percent(reported)}"
    files = tuple(run["file"] for chosen in by_variant.values() for run in chosen)
    if reaching:
        points = f"{100 * NOT_WORSE_BY:g} point"
        text = f"{text}: no interval of {' or '.join(reaching)} reaches more than {points} below it."
        return Measured("refuted", text, files)
    return Measured(None, f"{text}: each has an interval that reaches further below.", files)


def contrast(document, place, rule, runs):
    """The difference of two of our rows by seed: evidence, on another network or other data, and no verdict."""
    chosen = select_runs(runs, experiment=rule["experiment"], data=rule["data"], protocol=rule["protocol"])
    before, after = rule["rows"]
    found, files = [], []
    for profile in profiles_of(chosen):
        pairs = _pairs(select_runs(chosen, profile=profile), before, after)
        gains = [b["metrics"][rule["measure"]] - a["metrics"][rule["measure"]] for a, b in pairs]
        if gains:
            shown = ", ".join(f"{100 * gain:+.1f}" for gain in gains)
            found.append(f"{shown} by seed ({list_seeds([b for _, b in pairs])}; `{profile}`)")
            files += [b["file"] for _, b in pairs]
    text = (
        f"Ours, {rule['protocol']} protocol: `{after}` minus `{before}` on {rule['data']}, points of "
        f"{rule['measure'].replace('_', ' ')}: {'; '.join(found)}."
    )
    return Measured(None, text, tuple(files)) if found else None


def protocols(document, place, rule, runs):
    """One of our rows under both protocols."""
    found, files = [], []
    of_row = select_runs(runs, experiment=rule["experiment"], data=rule["data"], variant=rule["variant"])
    for profile, protocol in product(profiles_of(of_row), ("paper", "clean")):
        chosen = select_runs(of_row, profile=profile, protocol=protocol)
        if chosen:
            values = [run["metrics"][rule["measure"]] for run in chosen]
            leaked = _percent(np.mean([run["leakage"]["overall"] for run in chosen]))
            shown = f"{leaked} leaked, `{profile}`, seeds {list_seeds(chosen)}"
            found.append(f"{_percent(np.mean(values))} {protocol} ({shown})")
            files += [run["file"] for run in chosen]
    return Measured(None, f"Ours, `{rule['variant']}`: {', '.join(found)}.", tuple(files)) if found else None


def alphas(document, place, rule, runs):
    """Analysis of variance of macro F1 over alpha and seed, one of our networks."""
    chosen = select_runs(runs, experiment=rule["experiment"], data=rule["data"], protocol=rule["protocol"])
    tested = [
        text
        for profile in profiles_of(chosen)
        if (text := _variance_of_alphas(select_runs(chosen, profile=profile), rule["network"]))
    ]
    if not tested:
        return None
    text = f"Ours, {rule['network']} on {rule['data']}, the effect of alpha on macro F1: {'; '.join(tested)}."
    return Measured(None, text)


def _variance_of_alphas(runs, network):
    """Runs of one profile, every alpha with every seed; None where there are too few."""
    values = {}
    for run in runs:
        backbone, _, method = run["variant"].partition("+focal_")
        if backbone == network and method.replace(".", "").isdigit():
            values[float(method), run["seed"]] = run["metrics"]["macro_f1"]
    rows, columns = (sorted({key[axis] for key in values}) for axis in (0, 1))
    if len(values) < len(rows) * len(columns) or min(len(rows), len(columns)) < 2:
        return None
    result = two_way_anova([[values[alpha, seed] for seed in columns] for alpha in rows])
    return (
        f"F({result['df'][0]}, {result['df'][1]}) = {result['f']:.2f}, p = {result['p_value']:.2f} "
        f"({len(rows)} alphas x {len(columns)} seeds, `{runs[0]['profile']}`)"
    )


def robustness(document, place, rule, runs):
    """Accuracy of one of our rows on clean and on corrupted images."""
    chosen = [
        run
        for run in select_runs(
            runs, experiment=rule["experiment"], data=rule["data"], variant=rule["variant"]
        )
        if "robustness" in run
    ]
    if not chosen:
        return None
    files = tuple(run["file"] for run in chosen)
    return Measured(
        None, f"Ours, `{rule['variant']}`, is measured on corrupted images in {len(files)} seeds.", files
    )


def gain(document, place, rule, runs):
    """Gains of a measure between rows of ours, contrast by contrast, since the paper does not name its own."""
    if not place.startswith("/text"):
        return None
    measures, reported = document.at(place.rsplit("/", 1)[0])["measures"], document.number(place)
    chosen = select_runs(runs, experiment=rule["experiment"], data=rule["data"])
    backbones = sorted(
        {run["variant"].split("+")[0] for run in chosen if "+" in run["variant"]}, reverse=True
    )
    found, files = [], []
    for backbone, (before, after) in product(backbones, rule["contrasts"]):
        for protocol, profile in product(("paper", "clean"), profiles_of(chosen)):
            compared = select_runs(chosen, protocol=protocol, profile=profile)
            pairs = _pairs(compared, f"{backbone}+{before}", f"{backbone}+{after}")
            for measure in measures if pairs else ():
                gains = [b["metrics"][measure] - a["metrics"][measure] for a, b in pairs]
                shown = f"{100 * np.mean(gains):+.2f} (seeds {list_seeds([b for _, b in pairs])})"
                name = f"{backbone}, {after} minus {before}, {protocol}, {measure.replace('_', ' ')}"
                found.append(f"{name}, `{profile}`: {shown}")
            files += [b["file"] for _, b in pairs]
    text = f"Reported {reported:+g}. Ours by contrast: {'; '.join(found)}."
    return Measured(None, text, tuple(dict.fromkeys(files))) if found else None


def _pairs(runs, before, after):
    """Runs of one seed of two rows, for example squeezenet+none and squeezenet+SMOTE."""
    named = {(run["variant"], run["seed"]): run for run in runs}
    return [
        (named[before, seed], named[after, seed])
        for seed in sorted({seed for _, seed in named})
        if (before, seed) in named and (after, seed) in named
    ]


def _percent(share):
    return f"{100 * share:.1f} %"


KINDS = {
    "rows": reported_row,
    "data": data_counts,
    "setting": setting,
    "code": code,
    "classes": classes,
    "reached_without": reached_without,
    "contrast": contrast,
    "protocols": protocols,
    "alphas": alphas,
    "robustness": robustness,
    "gain": gain,
}
