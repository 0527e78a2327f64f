"""Is a difference more than another seed? Spreads over alpha and seed, and paired tests against cross-entropy."""

import pandas as pd

from drcls.files import write_json
from drcls.metrics import macro_f1
from drcls.report import (
    PROTOCOLS,
    Section,
    Table,
    difference,
    p_over_seeds,
    p_value,
    paired_difference,
    read_predictions,
    right_by_image,
    seed_spread,
    select_runs,
    synthetic_label,
)
from experiments.canine_rbc_focal.runs import (
    format_range,
    methods_of,
    networks_of,
    select,
    sweep_of,
)


def spread_section(folder, runs, choices):
    """Is the best alpha better than another seed? Spreads side by side, and paired tests against cross-entropy."""
    spreads, compared = spreads_of(runs, choices), comparisons(runs, choices)
    parts = [
        "Macro F1 on the test part, paper protocol. If alpha mattered, one alpha would be best for every seed, and "
        "the alphas would lie further apart than the seeds of one alpha."
    ]
    if spreads:
        caption = f"{synthetic_label(runs)}Spread over alpha compared with spread over seeds."
        parts.append(Table(pd.DataFrame(map(spread_cells, spreads)), caption))
    if compared:
        found = {"phantom": runs[0]["phantom"], "spread": spreads, "against_cross_entropy": compared}
        write_json(folder / "differences.json", found)
        caption = (
            f"{synthetic_label(runs)}Minus cross-entropy on the same test cells: macro F1 in points with its 95 % "
            "interval (bootstrap over groups, all seeds together), and the paired exact test of accuracy (cells of "
            "a smear count together), by seed (McNemar) and over all seeds, which share one test part."
        )
        parts.append(Table(pd.DataFrame(map(compared_cells, compared)), caption))
    return Section("Differences and their spread", parts)


def spreads_of(runs, choices):
    """Macro F1 of each alpha and seed under the paper's protocol, a dict for every network, as `differences.json`."""
    spreads = []
    for network in networks_of(runs):
        sweep = [
            (run["config"]["method"], run["seed"], run["metrics"]["macro_f1"])
            for run in select_runs(runs, protocol="paper", finished=True)
            if run["config"]["backbone"] == network and run["config"]["method"] in sweep_of(choices)
        ]
        by_seed = pd.DataFrame(sweep, columns=["method", "seed", "f1"]).pivot(
            index="method", columns="seed", values="f1"
        )
        by_seed = by_seed.dropna(axis=1)  # seeds that every alpha was tested with
        if len(by_seed.columns):
            f1_by_alpha = {str(name): list(map(float, row)) for name, row in by_seed.iterrows()}
            seeds = [int(seed) for seed in by_seed.columns]
            spreads.append({"network": network, "f1_by_alpha": f1_by_alpha, "seeds": seeds})
    return spreads


def comparisons(runs, choices):
    """Every row that is tested against cross-entropy, for both protocols and all networks."""
    return [
        compare(runs, network, method, protocol)
        for protocol in PROTOCOLS
        for network in networks_of(runs)
        for method in tested_against_cross_entropy(runs, choices, network, protocol)
        if share_a_seed(runs, network, method, protocol)
    ]


def spread_cells(row):
    """Return how far alphas and seeds lie apart, as cells of a table."""
    by_seed = pd.DataFrame(row["f1_by_alpha"], index=row["seeds"]).T
    ranges = by_seed.max(axis=1) - by_seed.min(axis=1)
    return {
        "network": row["network"],
        "alphas": str(len(by_seed)),
        "range over the alphas, mean of the seeds": format_range(by_seed.mean(axis=1)),
        "range over the alphas, one seed": format_range(by_seed.iloc[:, 0]),
        "range over the seeds, mean of the alphas": f"{ranges.mean():.3f}",
        "best alpha by seed": ", ".join(str(name).removeprefix("focal_") for name in by_seed.idxmax()),
    }


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


def share_a_seed(runs, network, method, protocol):
    """Whether a method and cross-entropy were both tested with one seed: trials may have failed or be running."""
    seeds = [
        {run["seed"] for run in select(runs, network, name, protocol)} for name in (method, "cross_entropy")
    ]
    return bool(seeds[0] & seeds[1])


def compare(runs, network, method, protocol):
    """One method against cross-entropy, seed by seed on the same test cells."""
    pairs = [
        (read_predictions(without), read_predictions(run), run["seed"])
        for run in select(runs, network, method, protocol)
        for without in select(runs, network, "cross_entropy", protocol)
        if without["seed"] == run["seed"]
    ]
    names = select(runs, network, method, protocol)[0]["class_names"]
    base, other, _ = zip(*pairs, strict=True)
    found = paired_difference(macro_f1, base, other, names)
    pairs = [(right_by_image(a), right_by_image(b), seed) for a, b, seed in pairs]
    return {
        "protocol": protocol,
        "network": network,
        "method": method,
        "macro_f1": found,
        "p_by_seed": [p_over_seeds([(a, b)]) for a, b, _ in pairs],
        "p_value": p_over_seeds([(a, b) for a, b, _ in pairs]),
        "p_unit": "group",
        "seeds": [seed for *_, seed in pairs],
    }


def compared_cells(row):
    """Return one comparison as cells of a table."""
    return {
        "protocol": row["protocol"],
        "network": row["network"],
        "method": row["method"],
        "macro F1": difference(row["macro_f1"]),
        "p by seed": ", ".join(map(p_value, row["p_by_seed"])),
        "p, all seeds": p_value(row["p_value"]),
        "seeds": ", ".join(map(str, row["seeds"])),
    }
