"""Is a difference more than another seed? Spreads over alpha and seed, and paired tests against cross-entropy."""

import pandas as pd

from drcls.metrics import group_bootstrap_difference, macro_f1, mcnemar_exact
from drcls.report import Section, Table, read_predictions, seed_spread, select_runs
from drcls.runs import write_json
from experiments.canine_rbc_focal.runs import (
    PROTOCOLS,
    format_range,
    methods_of,
    networks_of,
    select,
    sweep_of,
    synthetic_prefix,
)


def spread_section(folder, runs, choices):
    """Is the best alpha better than another seed? Spreads side by side, and paired tests against cross-entropy."""
    rows = []
    for network in networks_of(runs):
        chosen = [
            run
            for run in select_runs(runs, protocol="paper", finished=True)
            if run["config"]["backbone"] == network
        ]
        sweep = [run for run in chosen if run["config"]["method"] in sweep_of(choices)]
        if sweep:
            by_seed = pd.DataFrame(
                [(run["config"]["method"], run["seed"], run["metrics"]["macro_f1"]) for run in sweep],
                columns=["method", "seed", "f1"],
            ).pivot(index="method", columns="seed", values="f1")
            ranges = by_seed.max(axis=1) - by_seed.min(axis=1)
            rows.append(
                {
                    "network": network,
                    "range over the seven alphas, mean of the seeds": format_range(by_seed.mean(axis=1)),
                    "range over the seven alphas, one seed": format_range(by_seed.iloc[:, 0]),
                    "range over the seeds, mean of the seven alphas": f"{ranges.mean():.3f}",
                    "best alpha by seed": ", ".join(
                        str(name).removeprefix("focal_") for name in by_seed.idxmax()
                    ),
                }
            )
    parts = [
        "Macro F1 on the test part, paper protocol. If alpha mattered, one alpha would be best for every seed, and "
        "the alphas would lie further apart than the seeds of one alpha."
    ]
    if rows:
        parts.append(
            Table(pd.DataFrame(rows), f"{synthetic_prefix(runs)}Spread over alpha beside spread over seeds.")
        )
    compared = [
        compare(runs, network, method, protocol)
        for protocol in PROTOCOLS
        for network in networks_of(runs)
        for method in tested_against_cross_entropy(runs, choices, network, protocol)
    ]
    if compared:
        found = {"phantom": runs[0]["phantom"], "spread": rows, "against_cross_entropy": compared}
        write_json(folder / "differences.json", found)
        caption = (
            f"{synthetic_prefix(runs)}Minus cross-entropy on the same test cells: macro F1 in points with its "
            "95 % interval (bootstrap over groups, all seeds together), and McNemar's exact test of accuracy by seed."
        )
        parts.append(Table(pd.DataFrame(compared), caption))
    return Section("Differences and their spread", parts)


def tested_against_cross_entropy(runs, choices, network, protocol):
    """The alpha that the protocol would report, and the other methods."""
    methods = {
        run["config"]["method"]
        for run in select_runs(runs, protocol=protocol, finished=True)
        if run["config"]["backbone"] == network
    }
    if "cross_entropy" not in methods:
        return []
    sweep = [method for method in sweep_of(choices) if method in methods]
    best = max(
        sweep,
        key=lambda method: seed_spread(select(runs, network, method, protocol), "macro_f1")[0],
        default=None,
    )
    others = [
        method for method in methods_of(choices, runs) if method in methods - set(sweep) - {"cross_entropy"}
    ]
    return [*([best] if best else []), *others]


def compare(runs, network, method, protocol):
    """One method against cross-entropy, seed by seed on the same test cells."""
    pairs = [
        (read_predictions(without), read_predictions(run), run["seed"])
        for run in select(runs, network, method, protocol)
        for without in select(runs, network, "cross_entropy", protocol)
        if without["seed"] == run["seed"]
    ]
    names = select(runs, network, method, protocol)[0]["class_names"]
    index = {name: i for i, name in enumerate(names)}
    base, other = (pd.concat([pair[i] for pair in pairs], ignore_index=True) for i in (0, 1))
    labels, pred_a, pred_b = (
        column.map(index).to_numpy() for column in (base["label"], base["predicted"], other["predicted"])
    )
    found = group_bootstrap_difference(macro_f1, labels, pred_a, pred_b, base["group"].to_numpy(), len(names))
    difference, low, high = (f"{100 * value:+.1f}" for value in found)
    p_values = [mcnemar_exact(a["label"], a["predicted"], b["predicted"])["p_value"] for a, b, _ in pairs]
    return {
        "protocol": protocol,
        "network": network,
        "method": method,
        "macro F1": f"{difference} ({low} to {high})",
        "McNemar p by seed": ", ".join("< 0.001" if p < 0.001 else f"{p:.3f}" for p in p_values),
        "seeds": ", ".join(str(seed) for *_, seed in pairs),
    }
