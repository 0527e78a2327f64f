"""Markdown tables of the committed results: claims, every row, SMOTE's gains, injected outliers, corrupted images."""

import numpy as np

from drcls.files import read_json
from drcls.report import accuracy_bounds, interval, interval_over_seeds, list_seeds, mean_sd, select_runs
from experiments.blood_cells.corruption_gains import gain_rows
from experiments.results.claims import CLAIMS, EXPERIMENTS, runs_of
from experiments.results.markdown import markdown
from experiments.results.runs import committed_runs
from experiments.smote_transfer.report import gain_cells

# The learner whose gains the README shows: the vote of several; the others stand in the result files.
SHOWN_LEARNER = "soft_voting"


def findings_table(results):
    """Return the Markdown table of the first claim of each paper: reported, ours under both protocols, copies.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    rows = []
    for name in EXPERIMENTS:
        claim = next(claim for claim in CLAIMS if claim.experiment == name)
        paper, clean = (runs_of(results, claim, protocol) for protocol in ("paper", "clean"))
        rows.append(
            {
                "paper, row": f"[{claim.what}](experiments/{name}/README.md)",
                "reported": claim.printed or "not reported",
                "our network and images": claim.trained,
                "ours, paper's protocol": spread(paper, "accuracy", 100, 1),
                "ours, leak-free": spread(clean, "accuracy", 100, 1),
                "seeds": seeds_of_both(paper, clean),
                "copies, paper's protocol": leaked(paper),
            }
        )
    return markdown(rows)


def leaked(runs):
    """Return the mean share of test images with a copy or near copy in training, in percent."""
    return f"{100 * np.mean([run['leakage']['overall'] for run in runs]):.1f} %" if runs else "not run"


def claims_table(results, experiment=None):
    """Return the Markdown table of the papers' claims: reported, ours under their protocol, and ours on a clean split.

    Args:
        results: Path of the folder with the committed JSON files.
        experiment: str, of which paper; None for all.
    """
    rows = []
    for claim in CLAIMS:
        if experiment not in (None, claim.experiment):
            continue
        paper, clean = (runs_of(results, claim, protocol) for protocol in ("paper", "clean"))
        if not paper + clean:
            continue
        accuracies = [
            to_file(spread(runs, "accuracy", 100, 1), runs) + bounds(runs) for runs in (paper, clean)
        ]
        rows.append(
            {
                "the paper's row": claim.what,
                "reported accuracy %": claim.printed or "not reported",
                "our row": f"`{claim.variant}`",
                "data, profile": label_of((paper + clean)[0]),
                "test images with a copy in training": leaked(paper),
                "ours, paper's protocol: accuracy %": accuracies[0],
                "ours, clean: accuracy %": accuracies[1],
                "clean: macro F1 %": spread(clean, "macro_f1", 100, 1),
                "clean: quadratic kappa": kappa_of(clean),
                "seeds": seeds_of_both(paper, clean),
            }
        )
    return markdown(rows)


def to_file(text, runs):
    """Link a figure to the result file of its first seed, which holds the command, as seen from a paper's README."""
    return f"[{text}](../results/{runs[0]['file']})" if runs else text


def seeds_of_both(paper, clean):
    """Name the seeds, once where both protocols have the same, and say where they share one split."""
    return "; clean: ".join(dict.fromkeys(named_seeds(runs) for runs in (paper, clean) if runs))


def named_seeds(runs):
    """Return "0, 1, 2", with "one split" where the seeds differ in initial weights and order alone.

    A row that averages the probabilities of several seeds names these.
    """
    if members := runs[0]["config"].get("members"):
        return f"mean of {', '.join(map(str, members))}"
    splits = {run["split_sha256"] for run in runs}
    return list_seeds(runs) + (" (one split)" if len(splits) < len(runs) else "")


def bounds(runs):
    """Return " (63.1 to 71.9)": the outermost bounds of the seeds' 95 % intervals of accuracy, "" without any."""
    found = accuracy_bounds(runs)
    return f" ({interval(found)})" if found else ""


def kappa_of(runs):
    """Return the quadratic kappa; tumours and cells are in no order and have none."""
    if not all(run["ordered"] for run in runs):
        return "no grades"
    return spread(runs, "quadratic_kappa", 1, 3)


def table(results):
    """Return the Markdown table of all results: one row per data set, protocol, profile and variant.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    groups = {}
    for run in committed_runs(results):
        key = (run["experiment"], run["data"], run["profile"], run["variant"], run["protocol"])
        groups.setdefault(key, []).append(run)
    return markdown(
        [
            {
                "experiment": experiment,
                "data, profile": label_of(runs[0]),
                "row": f"`{variant}`",
                "protocol": protocol,
                "test images with a copy in training": leaked(runs),
                "test images": extent(run["num_test"] for run in runs),
                "accuracy %": spread(runs, "accuracy", 100, 1),
                "macro F1 %": spread(runs, "macro_f1", 100, 1),
                "quadratic kappa": kappa_of(runs),
                "seeds": named_seeds(runs),
            }
            for (experiment, _, _, variant, protocol), runs in sorted(groups.items())
        ]
    )


def gains_table(results, with_phantoms=True):
    """Return the Markdown table of what SMOTE changes: soft voting, by data set and protocol.

    Args:
        results: Path of the folder with the committed JSON files.
        with_phantoms: bool, whether synthetic data stand in it too.
    """
    rows = []
    for path in sorted(results.glob("*/gains-*.json")):
        content = read_json(path)
        if content["phantom"] and not with_phantoms:
            continue
        rows += [
            {"data, profile": label_of(content)} | gain_cells(gain) | over_seeds(results, content, gain)
            for gain in content["gains"]
            if gain["learner"] == SHOWN_LEARNER
        ]
    return markdown([{head: cell for head, cell in row.items() if head != "learner"} for row in rows])


def over_seeds(results, content, gain):
    """Return the cells with the intervals over seeds of one gain of the vote, computed from its committed runs."""
    seeds = {}
    for name in ("none", "SMOTE"):
        runs = select_runs(
            committed_runs(results),
            experiment="smote_transfer",
            data=content["data"],
            profile=content["profile"],
            protocol=gain["protocol"],
            variant=f"{gain['backbone']}+{name}",
        )
        seeds[name] = {run["seed"]: run["metrics"] for run in runs}
    cells = {}
    for metric in ("accuracy", "macro_recall"):
        gains = [seeds["SMOTE"][seed][metric] - seeds["none"][seed][metric] for seed in gain["seeds"]]
        head = f"{metric.replace('_', ' ')}: 95 % interval over seeds"
        cells[head] = interval_over_seeds(gains, 100)
    return cells


# From the network alone to learners on its frozen embeddings, and from those to the same learners with SMOTE. The
# paper does not say between which of them its gains lie.
CONTRASTS = (("fine_tuned", "none"), ("none", "SMOTE"), ("fine_tuned", "SMOTE"))
CONTRASTED = ("accuracy", "mean_ovr_accuracy", "macro_recall", "macro_specificity")


def contrasts_table(results):
    """Return the Markdown table of gains, in points, between the three rows that a gain by SMOTE can lie between.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    groups = {}
    for run in select_runs(committed_runs(results), experiment="smote_transfer"):
        groups.setdefault((label_of(run), run["protocol"], run["seed"]), {})[run["variant"]] = run
    gains = {}
    for (label, protocol, _), runs in groups.items():
        for backbone in sorted({variant.split("+")[0] for variant in runs}):
            for before, after in CONTRASTS:
                pair = runs.get(f"{backbone}+{before}"), runs.get(f"{backbone}+{after}")
                if all(pair) and pair[0]["split_sha256"] == pair[1]["split_sha256"]:
                    key = label, protocol, f"`{backbone}+{before}` to `{backbone}+{after}`"
                    gains.setdefault(key, []).append(pair)
    rows = []
    for (label, protocol, change), pairs in gains.items():
        differences = [
            {"metrics": {m: b["metrics"][m] - a["metrics"][m] for m in CONTRASTED}} for a, b in pairs
        ]
        row = {"data, profile": label, "protocol": protocol, "from, to": change}
        row |= {name.replace("_", " "): spread(differences, name, 100, 2) for name in CONTRASTED}
        rows.append(row | {"seeds": list_seeds([after for _, after in pairs])})
    return markdown(rows)


def outliers_table(results, with_phantoms=True):
    """Return the Markdown table of outlier detection: one row per data set, protocol and profile.

    Args:
        results: Path of the folder with the committed JSON files.
        with_phantoms: bool, whether synthetic data stand in it too.
    """
    groups = {}
    for path in sorted(results.glob("*/outliers-*.json")):
        found = read_json(path)
        if "detection" in found and (with_phantoms or not found["phantom"]):
            groups.setdefault((label_of(found), found["protocol"]), []).append(found)
    rows = []
    for (label, protocol), found in sorted(groups.items()):
        row = {"data, profile": label, "protocol": protocol}
        row |= {"searched": extent(one["num_searched"] for one in found)}
        row |= {"injected": extent(one["detection"]["num_injected"] for one in found)}
        row |= {"removed": extent(one["num_removed"] for one in found)}
        scores = [{"metrics": one["detection"]} for one in found]
        row |= {f"{name} %": spread(scores, name, 100, 1) for name in ("precision", "recall")}
        rows.append(row | {"seeds": list_seeds(found)})
    return markdown(rows)


def extent(numbers):
    """Return "5" or "5 to 7": the least and the largest."""
    numbers = sorted(numbers)
    return " to ".join(str(number) for number in dict.fromkeys([numbers[0], numbers[-1]]))


def robustness_table(results, with_phantoms=True):
    """Return the Markdown table of accuracy on corrupted test images: one row per data set, profile and variant.

    Args:
        results: Path of the folder with the committed JSON files.
        with_phantoms: bool, whether synthetic data stand in it too.
    """
    groups = {}
    for run in corrupted_runs(results, with_phantoms):
        groups.setdefault((label_of(run), run["variant"]), []).append(run)
    rows = []
    for (label, variant), runs in sorted(groups.items()):
        seeds = [{"metrics": shares_right(run["robustness"])} for run in runs]
        row = {"data, profile": label, "row": f"`{variant}`"}
        row |= {"images": str(runs[0]["robustness"]["num_images"])}
        row |= {name: spread(seeds, name, 100, 1) for name in seeds[0]["metrics"]}
        rows.append(row | {"seeds": list_seeds(runs)})
    return markdown(rows)


def augmentations_table(results):
    """Return the Markdown table of what stronger augmentation changes on corruptions that no row trained on.

    Args:
        results: Path of the folder with the committed JSON files.
    """
    groups = {}
    for run in corrupted_runs(results, with_phantoms=False):
        groups.setdefault(label_of(run), []).append((run, run["robustness"]))
    return markdown(
        [
            {"data, profile": label} | row | {"row": f"`{row['row']}`"}
            for label, measured in sorted(groups.items())
            for row in gain_rows(measured)
        ]
    )


def corrupted_runs(results, with_phantoms):
    """Return the committed runs that were tested on corrupted images."""
    return [
        run
        for run in committed_runs(results)
        if "robustness" in run and (with_phantoms or not run["phantom"])
    ]


def shares_right(robustness):
    """Return the accuracy on clean images, under each corruption averaged over severities, and their mean."""
    by_name = {name: float(np.mean(values)) for name, values in robustness["corrupted"].items()}
    return {"clean": robustness["clean"]} | by_name | {"mean": float(np.mean(list(by_name.values())))}


def label_of(content):
    """Name data set and profile, synthetic data as such."""
    return f"{content['data']}{' (synthetic)' if content['phantom'] else ''}, {content['profile']}"


def spread(runs, metric, scale, digits):
    """Return the figure of one seed, or mean and standard deviation over several."""
    return mean_sd([run["metrics"][metric] for run in runs], scale, digits) if runs else "not run"


def all_results(results):
    """Return a page with every measured row, as Markdown."""
    return (
        "# Every measured row\n\n"
        "Made by `experiments/results/collect.py` from the files beside this one. Figures from synthetic images "
        "say how the software behaves, nothing about a disease. In rows with SMOTE before the split the column on "
        "copies also counts rows that SMOTE made of training images, and images it made training rows of.\n\n"
        f"{table(results)}\n## What SMOTE changes\n\n{gains_table(results)}\n"
        "## Between which rows a gain can lie\n\nSoft voting on frozen embeddings, without resampling and with SMOTE, "
        "and the fine-tuned network itself, on the same test images; differences in points, mean and standard "
        f"deviation over the seeds.\n\n{contrasts_table(results)}\n"
        f"## Injected outliers\n\n{outliers_table(results)}\n"
        f"## Accuracy (%) on corrupted test images\n\n{robustness_table(results)}"
    )
