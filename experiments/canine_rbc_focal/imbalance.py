"""Two demonstrations of the focal-loss study: what alpha does, and what imbalance does (Tables 2 and 3)."""

from itertools import product

import numpy as np
import pandas as pd

from drcls.data import imbalance_ratio
from drcls.files import write_json
from drcls.report import (
    HEADS,
    PROTOCOLS,
    Lines,
    Section,
    Table,
    describe,
    line_chart,
    listing,
    read_history,
    read_predictions,
    select_runs,
    synthetic_label,
)
from experiments.canine_rbc_focal.runs import (
    MEASURES,
    PUBLISHED_NETWORK,
    networks_of,
)


def alpha_section(folder, runs, tested):
    """One seed, two alphas: the same course under Adam, another under SGD; beside it two seeds of one alpha.

    Args:
        folder: Path of the report.
        runs: the runs of the demonstration.
        tested: the runs of Table 1.
    """
    text = (
        "Alpha of Eq. 4 is one factor for all classes. Adam divides every gradient by its own running size, so the "
        "factor cancels: the smallest and the largest alpha set out on one course, seed for seed. What is left, "
        "rounding and the small constant in Adam's denominator, grows as training goes on, in the end to about what "
        "another seed would change. SGD takes larger steps with a larger alpha, as with a higher learning rate."
    )
    finished = [run for run in runs if run["finished"]]
    if not finished:
        return Section("What alpha does (Eq. 4)", [text, "Not run."])
    first, pairs = finished[0], by_optimizer(finished)
    rows = [compared("alpha 0.25 and 1.75, one seed", *pair) for pair in pairs.values()]
    scale = two_seeds(tested, first)
    if scale:
        seeds = " and ".join(str(run["seed"]) for run in scale)
        rows.append(compared(f"for scale: seeds {seeds}, {name_of(scale[0])}", *scale))
    write_json(folder / "alpha.json", {"phantom": first["phantom"], "alpha": rows})
    figure = line_chart(
        folder / "figures" / "alpha.png",
        [panel for optimizer, pair in pairs.items() for panel in panels_of(optimizer, pair)],
        "Alpha 0.25 and 1.75 from the same seed",
        describe(finished),
        "Losses are divided by alpha, so that equal trajectories lie on each other.",
    )
    caption = (
        f"{synthetic_label(runs)}Two trainings of {first['config']['backbone']} that differ in one thing."
    )
    return Section(
        "What alpha does (Eq. 4)", [text, figure, Table(pd.DataFrame(map(compared_cells, rows)), caption)]
    )


def by_optimizer(runs):
    """Sort runs by what trained them: dict, name -> list."""
    sorted_runs = {}
    for run in runs:
        sorted_runs.setdefault(run["config"]["optimizer"], []).append(run)
    return sorted_runs


def panels_of(optimizer, runs):
    """The loss, divided by alpha, and the accuracy of every epoch."""
    return [
        Lines(f"{optimizer}: training {quantity}", "epoch", quantity, series)
        for quantity, series in (
            ("loss / alpha", {name_of(run): (epochs_of(run), scaled_loss(run)) for run in runs}),
            ("accuracy", {name_of(run): (epochs_of(run), read_history(run)["accuracy"]) for run in runs}),
        )
    ]


def two_seeds(tested, like):
    """Two runs of one alpha, the network and protocol of `like`, or an empty list where fewer were tested."""
    same = [
        run
        for run in select_runs(tested, protocol=like["protocol"], finished=True)
        if run["config"]["backbone"] == like["config"]["backbone"]
        and isinstance(run["config"]["alpha"], float)
    ]
    same = [run for run in same if run["variant"] == same[0]["variant"]][:2]
    return same if len(same) == 2 else []


def name_of(run):
    return f"alpha {run['config']['alpha']:.2f}"


def epochs_of(run):
    return read_history(run)["epoch"]


def scaled_loss(run):
    return read_history(run)["loss"] / run["config"]["alpha"]


def compared(what, first, second):
    """How far apart two trainings end on the same test cells."""
    a, b = read_predictions(first), read_predictions(second)
    columns = [name for name in a if name.startswith("p_")]
    accuracies = [read_history(run)["accuracy"] for run in (first, second)]
    return {
        "optimizer": first["config"]["optimizer"],
        "differ_in": what,
        "epochs": first["config"]["epochs"],
        "first_loss_over_alpha": [float(scaled_loss(run).iloc[0]) for run in (first, second)],
        "last_training_accuracy": [float(curve.iloc[-1]) for curve in accuracies],
        "largest_difference_of_a_probability": float((a[columns] - b[columns]).abs().to_numpy().max()),
        "classified_differently": int((a["predicted"] != b["predicted"]).sum()),
        "test_cells": len(a),
    }


def compared_cells(row):
    """Return one comparison of two trainings as cells of a table."""
    return {
        "optimizer": row["optimizer"],
        "differ in": row["differ_in"],
        "epochs": str(row["epochs"]),
        "training loss / alpha, first epoch": listing(f"{loss:.4f}" for loss in row["first_loss_over_alpha"]),
        "training accuracy, last epoch": listing(f"{value:.4f}" for value in row["last_training_accuracy"]),
        "largest difference of a test probability": f"{row['largest_difference_of_a_probability']:.2g}",
        "test cells classified differently": f"{row['classified_differently']} of {row['test_cells']}",
    }


def imbalance_section(folder, runs, published):
    """Tables 2 and 3, and Figure 13."""
    if not any(run["finished"] for run in runs):
        return Section("Levels of imbalance (Tables 2 and 3, Figure 13)", ["Not run."])
    reported = {(row["rho"], row["network"], row["loss"]): row for row in published["tables"]["3"]["rows"]}
    rho_of = {row["majority_share"]: row["rho"] for row in published["tables"]["2"]["rows"]}
    rows, panels = [], []
    for protocol in PROTOCOLS:
        chosen = select_runs(runs, protocol=protocol, finished=True)
        rows += [imbalance_row(run, reported, rho_of) for run in chosen]
        if chosen:
            panels.append(relative_change(chosen, rho_of, protocol))
    write_json(folder / "imbalance.json", {"phantom": runs[0]["phantom"], "table_3": rows})
    panels.insert(0, printed_change(published["tables"]["3"]["rows"]))
    figure = line_chart(
        folder / "figures" / "imbalance.png",
        panels,
        "Focal loss against cross-entropy over imbalance (Figure 13)",
        describe(runs),
        "Relative change in percent, averaged over both networks; one seed: a point moves by as much as a seed does.",
    )
    tables = [
        Table(
            pd.DataFrame([imbalance_cells(row) for row in sorted(part, key=share_and_method)]),
            f"{synthetic_label(runs)}Table 3 for {network}, {HEADS[protocol]}. Reported: {PUBLISHED_NETWORK[network]}.",
        )
        for protocol, network in product(PROTOCOLS, networks_of(runs))
        if (part := [row for row in rows if (row["protocol"], row["network"]) == (protocol, network)])
    ]
    text = (
        "Classes are thinned to the shares of Table 2 and split anew. Every accuracy is listed with what the "
        "constant answer scores: accuracy alone says little at a high imbalance."
    )
    return Section("Levels of imbalance (Tables 2 and 3, Figure 13)", [text, figure, *tables])


def share_and_method(row):
    return row["majority_share"], row["method"]


def imbalance_row(run, reported, rho_of):
    """Return one row of Table 3 as numbers: the reported ones and ours.

    Args:
        run: a finished run on a thinned data set.
        reported: dict from (rho, network, loss) to a row of the paper's Table 3.
        rho_of: dict from the majority's share to the paper's imbalance ratio.
    """
    share, network = run["config"]["majority_share"], run["config"]["backbone"]
    paper = reported[(rho_of[share], PUBLISHED_NETWORK[network], run["variant"].split("+")[1])]
    return {
        "protocol": run["protocol"],
        "network": network,
        "method": run["config"]["method"],
        "majority_share": share,
        "rho_reported": rho_of[share],
        "test_images_by_class": [int(one["support"]) for one in run["metrics"]["per_class"].values()],
        "reported": {measure.metric: paper[measure.metric] for measure in MEASURES},
        "measured": {measure.metric: run["metrics"][measure.metric] for measure in MEASURES},
    }


def imbalance_cells(row):
    """Return one row of Table 3 as cells of a table."""
    counts = row["test_images_by_class"]
    cells = {
        "share of the majority": f"{100 * row['majority_share']:.0f} %",
        "rho, paper": f"{row['rho_reported']:.2f}",
        "rho of the test part": f"{imbalance_ratio(counts):.2f}" if min(counts) else "a class is absent",
        "method": row["method"],
        "always the majority (%)": f"{100 * max(counts) / sum(counts):.1f}",
    }
    for measure in MEASURES:
        cells[f"{measure.title}, paper"] = f"{row['reported'][measure.metric]:.2f}"
        cells[f"{measure.title}, ours"] = measure.format([row["measured"][measure.metric]])
    return cells


def relative_change(runs, rho_of, protocol):
    """Average over the networks of (focal - cross-entropy) / cross-entropy, by measure."""
    by_key = {
        (run["config"]["backbone"], run["variant"].split("+")[1], run["config"]["majority_share"]): run[
            "metrics"
        ]
        for run in runs
    }
    shares = sorted({share for _, _, share in by_key})
    table = [
        {"rho": rho_of[share], "network": network, "loss": loss} | by_key[(network, loss, share)]
        for share in shares
        for network in networks_of(runs)
        for loss in ("focal", "cross_entropy")
    ]
    return change_lines(table, f"ours, {protocol} protocol")


def printed_change(table):
    """The same of the printed Table 3."""
    return change_lines(table, "printed (Table 3)")


def change_lines(table, title):
    series = {}
    for measure in MEASURES:
        points = {}
        for row in table:
            points.setdefault((row["rho"], row["network"]), {})[row["loss"]] = row[measure.metric]
        changes = {}
        for (rho, _), pair in points.items():
            if None not in pair.values():
                changes.setdefault(rho, []).append(100 * (pair["focal"] / pair["cross_entropy"] - 1))
        name = measure.title.removesuffix(" (%)")
        series[name] = (list(changes), [float(np.mean(values)) for values in changes.values()])
    return Lines(title, "rho", "relative change (%)", series, log_x=True, baseline=0)
