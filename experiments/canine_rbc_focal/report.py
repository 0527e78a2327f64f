"""The report of the focal-loss study: Tables 1-3 and Figures 7 and 10-13, printed beside measured.

Reads the run folders and the manifest and trains nothing; `--report-only` of the experiment rebuilds it.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data import imbalance_ratio
from drcls.data.image_ops import read_image
from drcls.files import read_json, write_json
from drcls.report import (
    HEADS,
    PROTOCOLS,
    Figure,
    Lines,
    Section,
    Table,
    class_distribution,
    confusion_matrices,
    describe,
    differing_settings,
    example_grid,
    line_chart,
    list_seeds,
    mean_sd,
    read_history,
    roc_and_precision_recall,
    select_runs,
    synthetic_label,
    verdict,
    write_report,
)
from experiments.canine_rbc_focal.imbalance import alpha_section, imbalance_section
from experiments.canine_rbc_focal.runs import (
    MEASURES,
    PUBLISHED_NETWORK,
    format_cell,
    methods_of,
    networks_of,
    select,
)
from experiments.canine_rbc_focal.significance import spread_section, tested_against_cross_entropy
from experiments.common.closing import closing_sections
from experiments.common.controls import CONTROLS
from experiments.common.grad_cam import explain_run
from experiments.common.reported import runs_of, runs_to_report

PUBLISHED = Path(__file__).with_name("published.json")
DEVIATIONS = """What was chosen where the paper is silent, or could not be had:

- Cells are enlarged with OpenCV's Lanczos filter, not with Waifu2x.
- Networks start from random weights. A tiny has 6 convolutions or 3 residual blocks: it stands beside its printed
  namesake to be compared in kind, not in height.
- An epoch's validation loss is averaged over the folds, and the epochs are those with the least; the final training
  runs for as many.
- Rotated and flipped copies are made once, as saved images would be, and filled with black.
- focal_by_class is ours: alpha is N / (C n_c) for each class, which no optimizer divides out.
- The paper protocol draws its test part stratified by class. The paper's was not: Figure 11 holds 121, 115 and 782
  cells, where a stratified draw would give 104, 107 and 808.
- It splits cells at random and reads the alpha of Table 3 off the test part of Table 1. The clean
  protocol splits by smear, drops duplicates, and tests the alpha that cross-validation chose: other alphas read "not
  tested" there.
- Table 3 re-splits each thinned data set, as the paper does, with the epochs and the alpha of Table 1.
- Classes are thinned at random to the shares of Table 2, as far as there are cells. The quick profile has three of
  the seven shares and two folds instead of five.
- The long profile has one tiny network, three alphas and cross-entropy, and no Table 3. A fold of its
  cross-validation ends when its validation loss has not fallen for 20 epochs; losses are averaged over the epochs
  that all folds have."""


def write_canine_rbc_focal_report(run_set, manifest, data, profile):
    """Write `report.md`, `report.html` and the figures for one data set and profile.

    Args:
        run_set: Path of the experiment's run folders, `runs/canine_rbc_focal`.
        manifest: the whole data set, a `Manifest`.
        data, profile: str, which runs to report.

    Returns:
        Path of `report.html`.
    """
    folder = run_set / f"report-{data}-{profile}"
    published = read_json(PUBLISHED)
    runs = runs_to_report(run_set, [data], profile)
    controls = [run for run in runs if run["variant"] in CONTROLS]
    runs = [run for run in runs if run["variant"] not in CONTROLS]
    choices = choices_in(run_set / "cross_validation", data, profile)
    sections = [
        data_section(folder, manifest, published),
        choice_section(folder, choices, runs),
        table_1_section(runs, published["tables"]["1"]["rows"], choices, controls),
        spread_section(folder, runs, choices),
        alpha_section(folder, runs_of(run_set / "alpha", [data], profile), runs),
        imbalance_section(folder, runs_of(run_set / "imbalance", [data], profile), published),
        figures_section(folder, runs, choices),
        grad_cam_section(runs, manifest, choices),
        *closing_sections(DEVIATIONS, published["notes"], runs, "Every tested trial of Table 1."),
    ]
    return write_report(
        folder,
        f"Focal loss on {manifest.info['title']}",
        sections,
        runs,
        first_words(runs, published["tables"]["1"]["rows"]),
    )[1]


def choices_in(folder, data, profile):
    """What cross-validation chose by protocol: of the lowest seed where there are several."""
    found = {
        protocol: list(folder.glob(f"{data}-{protocol}-{profile}-s*/choice.json")) for protocol in PROTOCOLS
    }
    return {
        protocol: read_json(min(paths, key=lambda path: int(path.parent.name.rpartition("-s")[2])))
        for protocol, paths in found.items()
        if paths
    }


def first_words(runs, table_1):
    """The verdict: the best row of Table 1 beside the network of ours that is compared with it."""
    best = max(table_1, key=lambda row: row["accuracy"])
    ours = [name for name in networks_of(runs) if PUBLISHED_NETWORK[name] == best["network"]] or networks_of(
        runs
    )
    return verdict(
        runs,
        f"The paper reports an accuracy of {best['accuracy']:.2f} % and a macro F1 of {best['macro_f1']:.2f} for "
        f"{best['network']} with {as_words(best['method'])}, its best row of Table 1.",
        f"{ours[0]}+{best['method']}",
        MEASURES[:2],
        [name for name in ("DenseNet121", "ResNet50") if name not in networks_of(runs)],
    )


def as_words(method):
    """Name a method in a sentence: `focal_1.50` is focal loss with an alpha of 1.50."""
    loss, _, alpha = method.partition("_")
    return f"focal loss at alpha {alpha}" if loss == "focal" else method.replace("_", "-")


def data_section(folder, manifest, published):
    """Section 4.1: the classes, cells of each, and the five stages of Figure 7."""
    counts = manifest.counts_by_class()
    printed = dict(
        zip(map(str.lower, published["classes"]), published["tables"]["2"]["rows"][3]["counts"], strict=True)
    )
    charts = [
        class_distribution(
            folder / "figures" / "classes.png",
            {"ours": counts, "paper": printed},
            manifest.info,
            "Cells per class",
        )
    ]
    rows = [row for label in manifest.classes for row in np.flatnonzero(manifest.frame["label"] == label)[:5]]
    images = [read_image(manifest.paths[row]) for row in rows]
    labels = [manifest.frame["label"][row] for row in rows]
    charts.append(
        example_grid(folder / "figures" / "cells.png", images, labels, manifest.info, "Cells as cut out")
    )
    stages = manifest.root / "stages.png"
    if stages.is_file():
        caption = f"From smear to cell (Figure 7): {manifest.info['title']}."
        charts.append(Figure(stages, caption, "A smear in the five stages of Algorithm 1."))
    smears = manifest.frame["group"].nunique()
    text = f"{len(manifest):,} cells of {smears} smears; imbalance {imbalance_ratio(manifest.counts()):.2f} (Eq. 5)."
    return Section("Cells (section 4.1)", [text, *found_on_smears(manifest.info), *charts])


def found_on_smears(info):
    """What became of detected circles and labels, where cells were cut out of whole smears."""
    if "cells" not in info:
        return []
    cells = info["cells"]
    of_other_types = sum(cells["circles_of_other_types"].values())
    missed = sum(cells["labels_without_cell"].values())
    text = (
        f"Algorithm 1 found {cells['circles']:,} circles; {of_other_types:,} carry the label of another type, "
        f"{cells['label_beyond_reach']:,} lie next to a label but not on it, {cells['unlabelled']:,} have none. "
        f"{missed:,} of {sum(cells['labels'].values()):,} labels lie on no cell that was found. Of the cells kept, "
        f"{cells['border']:,} cross the border and {cells['touching']:,} overlap another."
    )
    return [text]


def choice_section(folder, choices, runs):
    """Section 4.2: what cross-validation on the training part says of every method."""
    rows = [
        {
            "protocol": protocol,
            "network": network,
            "method": method,
            "epochs": found["epochs"],
            "validation_loss": found["val_loss"],
            "macro_f1_by_fold": found["val_macro_f1_by_fold"],
        }
        for protocol, networks in choices.items()
        for network, methods in networks.items()
        for method, found in methods.items()
    ]
    phantom = any(run["phantom"] for run in runs)
    write_json(folder / "cross_validation.json", {"phantom": phantom, "cross_validation": rows})
    text = (
        "Epochs with the least validation loss, averaged over the folds of the training part; the test part is not "
        "looked at. Losses of different methods are on different scales."
    )
    caption = (
        f"{synthetic_label(runs)}Cross-validation: mean and standard deviation over the folds, lowest seed."
    )
    cells = [
        {key: row[key] for key in ("protocol", "network", "method")}
        | {"epochs": str(row["epochs"]), "validation loss": f"{row['validation_loss']:.4f}"}
        | {"macro F1 of the folds": mean_sd(row["macro_f1_by_fold"])}
        for row in rows
    ]
    return Section("Epochs and alpha (section 4.2)", [text, Table(pd.DataFrame(cells), caption)])


def table_1_section(runs, printed, choices, controls):
    """Table 1, printed beside both protocols, and what rows reach that learn nothing about images."""
    by_name = {(row["network"], row["method"]): row for row in printed}
    rows = []
    for network, method in product(networks_of(runs), methods_of(choices, runs)):
        beside = by_name.get((PUBLISHED_NETWORK[network], method))
        row = {"network": network, "method": method}
        for measure in MEASURES:
            shown = "not reported" if beside is None else f"{beside[measure.metric]:.2f}"
            row[f"{measure.title}, paper"] = shown
            for protocol in PROTOCOLS:
                row[f"{measure.title}, {HEADS[protocol]}"] = format_cell(
                    runs, f"{network}+{method}", protocol, measure
                )
        rows.append(row)
    tables = [
        Table(
            pd.DataFrame([row for row in rows if row["network"] == network])
            .drop(columns="network")
            .dropna(axis=1),
            f"Table 1, dogs' cells. Paper: {PUBLISHED_NETWORK[network]}; ours: {network}, {describe(runs)}; mean and "
            "standard deviation over the seeds.",
        )
        for network in networks_of(runs)
    ]
    text = "A cell's smear is in training too for " + ", ".join(
        f"{100 * np.mean([run['leakage']['group'] for run in part]):.0f} % of the test cells under the {protocol} "
        f"protocol ({100 * np.mean([run['leakage']['overall'] for run in part]):.1f} % have a copy or near copy)"
        for protocol in PROTOCOLS
        if (part := select_runs(runs, protocol=protocol, finished=True))
    )
    parts = [f"{text}.", *tables, *controls_table(controls)]
    return Section("Focal loss, cross-entropy and resampling (Table 1)", parts + different_seeds(runs))


def different_seeds(runs):
    """Name the rows whose seeds were trained with different settings: a list of one sentence, or empty."""
    rows = {(run["variant"], run["protocol"]): [] for run in runs if run["finished"]}
    for run in select_runs(runs, finished=True):
        rows[run["variant"], run["protocol"]].append(run)
    found = [
        f"`{variant}`, {protocol} protocol: {list_seeds(row)}"
        for (variant, protocol), row in rows.items()
        if differing_settings(row)
    ]
    return [f"Seeds with different settings are averaged: {'; '.join(found)}."] if found else []


def controls_table(controls):
    """The largest class for every cell, and the label of a copy where training has one."""
    rows = [
        {"row": name}
        | {
            f"{measure.title}, {HEADS[protocol]}": format_cell(controls, name, protocol, measure)
            for measure in MEASURES
            for protocol in PROTOCOLS
        }
        for name in dict.fromkeys(run["variant"] for run in controls)
    ]
    caption = f"{synthetic_label(controls)}Rows that learn nothing about images, lowest seed."
    return [Table(pd.DataFrame(rows), caption)] if rows else []


def figures_section(folder, runs, choices):
    """Figures 10, 11 and 12: curves, confusion matrices and training losses of focal loss and cross-entropy."""
    parts, panels = [], []
    finished = select_runs(runs, finished=True)
    for protocol, network in product(PROTOCOLS, networks_of(runs)):
        best = tested_against_cross_entropy(finished, choices, network, protocol)[:1]
        first = [
            min(own, key=lambda run: run["seed"])
            for method in ["cross_entropy", *best]
            if (own := select(finished, network, method, protocol))
        ]
        if not first:
            continue
        name = f"{network}-{protocol}"
        titles = [run["variant"] for run in first]
        parts.append(
            confusion_matrices(
                folder / "figures" / f"confusion-{name}.png",
                first,
                titles,
                f"Confusion matrices of {network}, {protocol} protocol (Figure 11)",
            )
        )
        parts += [
            roc_and_precision_recall(
                folder / "figures" / f"roc-{run['variant'].replace('+', '-')}-{protocol}.png",
                run,
                f"{run['variant']}, {protocol} protocol (Figure 10)",
            )
            for run in first
        ]
        series = {
            "cross-entropy" if run["config"]["gamma"] is None else "focal loss / alpha": (
                read_history(run)["epoch"],
                read_history(run)["loss"] / (run["config"]["alpha"] or 1),
            )
            for run in first
            if run["config"]["alpha"] != "by class"
        }
        panels.append(Lines(f"{network}, {protocol} protocol", "epoch", "training loss", series))
    if panels:
        caption = "Focal loss lies lower because it weighs sure answers down, not because it learns faster."
        path = folder / "figures" / "losses.png"
        parts.append(line_chart(path, panels, "Training losses (Figure 12)", describe(finished), caption))
    return Section("Curves, confusion matrices and losses (Figures 10 to 12)", parts or ["Not run."])


def grad_cam_section(runs, manifest, choices):
    """Where the networks look: not in the paper."""
    figures = []
    for network in networks_of(runs):
        for protocol in reversed(PROTOCOLS):
            found = [
                run
                for method in tested_against_cross_entropy(runs, choices, network, protocol)[:1]
                for run in select(runs, network, method, protocol)
                if (run["folder"] / "model.keras").is_file()
            ]
            if found:
                figures += explain_run(found[0], manifest)[0]
                break
    return Section("Grad-CAM", figures or ["Not run."])
