"""Keep what a run measured: small committed copies in `experiments/results/`, and the tables made of them.

The README shows real data; `experiments/results/README.md` has every row, phantoms too.

python -m experiments.collect_results runs/chexnet_cbam     copy finished runs, then renew the tables
python -m experiments.collect_results                       renew the tables alone
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.runs import read_json, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "experiments" / "results"
README = ROOT / "README.md"
ALL_RESULTS = RESULTS / "README.md"
BEGIN_GAINS, END_GAINS = "<!-- gains: made by the same -->\n", "<!-- end of gains -->\n"
# The learner whose gains the README shows: the vote of several; the others stand in the result files.
SHOWN_LEARNER = "soft_voting"
BEGIN_OUTLIERS, END_OUTLIERS = "<!-- outliers: made by the same -->\n", "<!-- end of outliers -->\n"
BEGIN_ROBUSTNESS, END_ROBUSTNESS = "<!-- robustness: made by the same -->\n", "<!-- end of robustness -->\n"
BEGIN, END = "<!-- results: made by experiments/collect_results.py -->\n", "<!-- end of results -->\n"


def collect(run_set):
    """Copy metrics, intervals, leakage, environment and configuration of all finished runs of an experiment.

    The split is kept as the SHA-256 of `split.csv`: enough to see whether two runs shared it, and no list of
    images that a licence may forbid to hand on.
    """
    run_set = Path(run_set)
    finished = sorted(run_set.glob("*/*/metrics.json"))
    if not finished:
        raise SystemExit(
            f"{run_set} holds no finished run; expected {run_set}/<data>-<protocol>-.../<variant>/"
        )
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
        target = RESULTS / run_set.name / folder.parent.name / f"{folder.name}.json"
        write_json(target, content)
        print(target.relative_to(ROOT))


def collect_gains(run_set):
    """Copy what SMOTE bought, which the report works out from all seeds."""
    for file in sorted(Path(run_set).glob("report-*/gains.json")):
        data, profile = file.parent.name.removeprefix("report-").rsplit("-", 1)
        content = {"data": data, "profile": profile} | read_json(file)
        write_json(RESULTS / Path(run_set).name / f"gains-{data}-{profile}.json", content)


def gains_table(results, with_phantoms=True):
def collect_outliers(run_set):
    """Copy how well planted outliers were found, for each split."""
    for file in sorted(Path(run_set).glob("*/outliers.json")):
        _, protocol, profile, seed = file.parent.name.rsplit("-", 3)
        content = read_json(file) | {
            "protocol": protocol,
            "profile": profile,
            "seed": int(seed.removeprefix("s")),
        }
        write_json(RESULTS / Path(run_set).name / f"outliers-{file.parent.name}.json", content)


def outliers_table(results):
    """Return the Markdown table of outlier detection: one row per data set, protocol and profile.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    groups = {}
    for path in sorted(results.glob("*/outliers-*.json")):
        found = read_json(path)
        if "detection" in found:
            groups.setdefault((label_of(found), found["protocol"]), []).append(found)
    lines = ["| data, profile | protocol | searched | planted | removed | precision % | recall % | seeds |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for (label, protocol), found in sorted(groups.items()):
        first = found[0]
        cells = [label, protocol, str(first["num_searched"]), str(first["detection"]["num_planted"])]
        cells += [str(first["num_removed"])]
        scores = [{"metrics": one["detection"], "seed": one["seed"]} for one in found]
        cells += [spread(scores, name, 100, 1) for name in ("precision", "recall")]
        cells += [", ".join(str(one["seed"]) for one in found)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" if groups else "None measured yet.\n"


def robustness_table(results):
    """Return the Markdown table of accuracy on corrupted test images: one row per data set, profile and variant.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    groups = {}
    for path in sorted(results.glob("*/*/*.json")):
        run = read_json(path)
        if "robustness" in run:
            groups.setdefault((label_of(run), run["variant"]), []).append(run)
    if not groups:
        return "None measured yet.\n"
    names = list(next(iter(groups.values()))[0]["robustness"]["corrupted"])
    columns = ["data, profile", "row", "images", "clean", *names, "mean", "seeds"]
    lines = [columns, ["---"] * len(columns)]
    for (label, variant), runs in sorted(groups.items()):
        seeds = [shares_right(run["robustness"]) | {"seed": run["seed"]} for run in runs]
        cells = [label, f"`{variant}`", str(runs[0]["robustness"]["num_images"])]
        cells += [
            spread([{"metrics": one} for one in seeds], name, 100, 1) for name in ("clean", *names, "mean")
        ]
        lines.append([*cells, ", ".join(str(run["seed"]) for run in runs)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def shares_right(robustness):
    """Return the accuracy on clean images, under each corruption averaged over severities, and their mean."""
    by_name = {name: float(np.mean(values)) for name, values in robustness["corrupted"].items()}
    return {"clean": robustness["clean"]} | by_name | {"mean": float(np.mean(list(by_name.values())))}


def label_of(content):
    """Name data set and profile, synthetic data as such."""
    return f"{content['data']}{' (synthetic)' if content['phantom'] else ''}, {content['profile']}"


def gains_table(results):
    """Return the Markdown table of what SMOTE bought: soft voting, by data set and protocol.

    Args:
        results: Path of the folder with the committed JSON files.
        with_phantoms: bool, whether synthetic data stand in it too.
    """
    rows = []
    for path in sorted(results.glob("*/gains-*.json")):
        content = read_json(path)
        if content["phantom"] and not with_phantoms:
            continue
        label = f"{content['data']}{' (synthetic)' if content['phantom'] else ''}, {content['profile']}"
        for gain in content["gains"]:
            if gain["learner"] == SHOWN_LEARNER:
                shown = {
                    name.split(" (printed")[0]: value for name, value in gain.items() if name != "learner"
                }
                rows.append({"data, profile": label} | shown)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, ["---"] * len(columns)]
    lines += [[row.get(name, "no grades") for name in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) if rows else "None measured yet.\n"


def which_are_right(predictions):
    """Say which test images were classified rightly, in the order of `split.csv`: bits as hexadecimal digits.

    Enough to compare two rows of one split by McNemar's test, without naming an image.
    """
    frame = pd.read_csv(predictions, dtype=str, keep_default_na=False)
    return np.packbits(frame["label"] == frame["predicted"]).tobytes().hex()


def summary(measured):
    """Keep the figures of one of many learners that are a single number, and their intervals."""
    single = {
        name: value for name, value in measured["metrics"].items() if not isinstance(value, dict | list)
    }
    return {"metrics": single, "intervals": measured["intervals"]}


def table(results, with_phantoms=True):
    """Return the Markdown table of all results: one row per data set, protocol, profile and variant.

    Args:
        results: Path of the folder with the committed JSON files.
        with_phantoms: bool, whether synthetic data stand in it too.
    """
    groups = {}
    for path in sorted(results.glob("*/*/*.json")):
        run = read_json(path)
        if run["phantom"] and not with_phantoms:
            continue
        key = (path.parts[-3], run["data"], run["profile"], run["variant"], run["protocol"])
        groups.setdefault(key, []).append(run)
    lines = [
        "| experiment | data, profile | row | protocol | leaked test images | test images | accuracy % | "
        "macro F1 % | quadratic kappa | seeds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (experiment, data, profile, variant, protocol), runs in sorted(groups.items()):
        label = f"{data}{' (synthetic)' if runs[0]['phantom'] else ''}, {profile}"
        leaked = np.mean([run["leakage"]["overall"] for run in runs])
        cells = [experiment, label, f"`{variant}`", protocol, f"{100 * leaked:.1f} %"]
        sizes = sorted({run["num_test"] for run in runs})
        cells += [
            " to ".join(str(size) for size in dict.fromkeys([sizes[0], sizes[-1]])),
            spread(runs, "accuracy", 100, 1),
            spread(runs, "macro_f1", 100, 1),
        ]
        # A kappa needs grades: tumours and cells are in no order.
        kappa = spread(runs, "quadratic_kappa", 1, 3) if "No_DR" in runs[0]["class_names"] else "no grades"
        cells += [kappa, ", ".join(str(run["seed"]) for run in runs)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def spread(runs, metric, scale, digits):
    """Return the figure of one seed, or mean and standard deviation over several."""
    values = [run["metrics"][metric] for run in runs]
    if None in values:
        return "undefined"
    values = [scale * value for value in values]
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def renew_tables():
    """Put each table of real data between its two marks in the README, and all rows into the results' own."""
    text = README.read_text(encoding="utf-8")
    tables = (
        (BEGIN, END, table),
        (BEGIN_GAINS, END_GAINS, gains_table),
        (BEGIN_OUTLIERS, END_OUTLIERS, outliers_table),
        (BEGIN_ROBUSTNESS, END_ROBUSTNESS, robustness_table),
    )
    for begin, end, made in tables:
        before, rest = text.split(begin)
        text = before + begin + made(RESULTS, with_phantoms=False) + end + rest.split(end)[1]
    write_text(README, text)
    write_text(ALL_RESULTS, all_results(RESULTS))


def all_results(results):
    """Return a page with every measured row, as Markdown."""
    return (
        "# Every measured row\n\n"
        "Made by `experiments/collect_results.py` from the files beside this one. Figures from synthetic images "
        "say how the software behaves, nothing about a disease.\n\n"
        f"{table(results)}\n## What SMOTE bought\n\n{gains_table(results)}"
    )


def main(arguments):
    for run_set in arguments:
        collect(run_set)
        collect_gains(run_set)
    renew_tables()
        collect_outliers(run_set)
    renew_readme()


if __name__ == "__main__":
    main(sys.argv[1:])
