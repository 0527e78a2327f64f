"""Every item of the five papers has one verdict, and results change it."""

from pathlib import Path

import pytest

from drcls.check_tables import Document
from drcls.report import select_runs
from experiments.results import ledger, measured
from experiments.results.claims import EXPERIMENTS
from experiments.results.ledger import (
    KINDS,
    LEDGER,
    VERDICTS,
    counts,
    entries,
    ledger_page,
)
from experiments.results.runs import real_runs

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def made():
    return {name: entries(name) for name in EXPERIMENTS}


def test_every_item_has_exactly_one_verdict_and_a_reason(made):
    for name, items in made.items():
        document = ledger.read_paper(name)
        places = [*document.places()]
        places += [f"/{kind}s/{i}" for kind in KINDS[1:] for i in range(len(getattr(document, f"{kind}s")))]
        assert [item.place for item in items] == places and len(set(places)) == len(places)
        for item in items:
            assert (
                item.verdict in VERDICTS and item.kind in KINDS and item.where and item.what and item.reason
            ), item
            assert item.decided_by in ("arithmetic", "measurement", "reading", "nothing"), item


def test_files_behind_a_verdict_exist(made):
    for items in made.values():
        for item in items:
            for file in item.files:
                assert (LEDGER.parent / file).exists() or (ROOT / file).exists(), (item.place, file)


def test_only_measurements_confirm_and_arithmetic_is_not_called_more(made):
    for items in made.values():
        for item in items:
            assert item.verdict != "confirmed" or item.decided_by == "measurement", item
            assert item.verdict != "consistent" or item.decided_by == "arithmetic", item
            assert item.decided_by != "nothing" or item.verdict in ("open", "not testable here"), item


def test_the_ledger_shows_these_counts(made):
    assert LEDGER.read_text(encoding="utf-8") == ledger_page(made)


def rules(value):
    """Every "measured" of a document."""
    if isinstance(value, dict):
        yield from [value["measured"]] if "measured" in value else []
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from rules(part)


def test_the_rows_that_documents_name_exist():
    runs = real_runs()
    for name in EXPERIMENTS:
        for rule in rules(ledger.read_paper(name).content):
            if "experiment" not in rule:
                continue
            variants = {run["variant"] for run in select_runs(runs, experiment=rule["experiment"])}
            assert variants, rule
            if rule["kind"] == "rows":
                named = {variant for row in rule["rows"].values() for variant in row["variants"]}
                assert named & variants, rule
            elif rule["kind"] == "contrast":
                assert set(rule["rows"]) <= variants, rule
            elif rule["kind"] == "alphas":
                assert f"{rule['network']}+focal_1.50" in variants, rule
            elif "variant" in rule:
                assert rule["variant"] in variants, rule


def test_counts_add_up(made):
    for items in made.values():
        assert sum(sum(by_verdict.values()) for by_verdict in counts(items).values()) == len(items)


DOCUMENT = {
    "title": "a paper",
    "tables": {
        "1": {
            "where": "Table 1",
            "decimals": 1,
            "otherwise": {"verdict": "open", "reason": "nothing was run"},
            "measured": {
                "kind": "rows",
                "experiment": "paper",
                "protocol": "paper",
                "settings": {"data": "squares", "epochs": 5},
                "rows": {"A": {"variants": ["ours"]}},
            },
            "rows": [{"model": "A", "accuracy": 90.0}],
        }
    },
}


def run(accuracy=0.9, interval=(0.88, 0.92), epochs=5, **more):
    made = {
        "experiment": "paper",
        "variant": "ours",
        "data": "squares",
        "profile": "paper",
        "protocol": "paper",
    }
    made |= {"seed": 0, "num_test": 1000, "class_names": ["a", "b"], "file": "paper/ours.json"}
    metrics, intervals = {"accuracy": accuracy}, {"accuracy": {"bootstrap": interval}}
    return made | {"metrics": metrics, "intervals": intervals, "config": {"epochs": epochs}} | more


@pytest.mark.parametrize(
    ("runs", "verdict", "reason"),
    [
        ([], "open", "Nothing was run."),
        ([run()], "confirmed", "stay within 3 points"),
        ([run(0.8, (0.78, 0.82))], "refuted", "exclude the figure"),
        ([run(0.9, (0.85, 0.95))], "open", "too wide"),
        # One seed's interval reaches further than the margin allows.
        ([run(), run(0.85, (0.83, 0.87), seed=1)], "open", "too wide"),
        ([run(epochs=3)], "open", "other settings: epochs 3 for 5"),
        ([run(data="circles")], "open", "data circles for squares"),
        ([run(0.8, (0.78, 0.82), epochs=3, profile="short"), run()], "confirmed", "the same settings"),
        ([run(protocol="clean")], "open", "Nothing was run."),
        ([run(variant="another")], "open", "Nothing was run."),
    ],
)
def test_results_decide_only_under_the_papers_settings(runs, verdict, reason):
    [entry] = entries("paper", Document(DOCUMENT), runs)
    assert entry.verdict == verdict and reason in entry.reason
    assert entry.decided_by == ("measurement" if verdict in ("confirmed", "refuted") else "nothing")


def test_arithmetic_goes_before_results():
    table = DOCUMENT["tables"]["1"] | {"num_test": 7, "decimals": 1}
    [entry] = entries("paper", Document({"tables": {"1": table}}), [run()])
    assert entry.verdict == "refuted" and entry.decided_by == "arithmetic"


def test_an_item_that_nothing_speaks_of_is_named():
    with pytest.raises(ValueError, match="/text/0/value has no verdict"):
        entries("paper", Document({"text": [{"where": "1", "what": "a number", "value": 7}]}), [])


def test_an_unknown_kind_of_measurement_is_named():
    item = {"where": "1", "what": "x", "value": 7, "measured": {"kind": "guess"}}
    with pytest.raises(ValueError, match="/text/0/value: measured kind must be one of .*, received 'guess'"):
        entries("paper", Document({"text": [item]}), [])


@pytest.mark.parametrize(("low", "verdict"), [(0.955, "refuted"), (0.94, "open")])
def test_a_row_without_the_part_reaches_the_figure_or_not(low, verdict):
    rule = {"kind": "reached_without", "experiment": "paper", "data": "squares", "protocol": "paper"}
    rule |= {
        "variants": ["ours"],
        "measure": "accuracy",
        "cell": "/tables/1/rows/0/accuracy",
        "without": "it",
    }
    claim = {
        "where": "1",
        "what": "it helps",
        "measured": rule,
        "otherwise": {"verdict": "open", "reason": "no ablation"},
    }
    table = {"where": "Table 1", "otherwise": claim["otherwise"], "rows": [{"model": "A", "accuracy": 96.1}]}
    document = Document({"tables": {"1": table}, "claims": [claim]})
    assert entries("paper", document, [run(0.97, (low, 0.98))])[-1].verdict == verdict


def test_counts_of_the_same_data_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    (tmp_path / "class_counts-squares.json").write_text('{"counts": {"a": 30, "b": 20}}')
    rule = {"kind": "data", "experiment": "paper", "data": "squares", "protocol": "paper"}
    data = {
        "where": "2",
        "title": "squares",
        "total": 50,
        "measured": rule,
        "otherwise": {"verdict": "open", "reason": "x"},
    }
    assert entries("paper", Document({"datasets": {"d": data}}), [])[0].verdict == "confirmed"
    assert entries("paper", Document({"datasets": {"d": data | {"total": 51}}}), [])[0].verdict == "refuted"
    other = data | {"measured": rule | {"differs": "rebuilt"}}
    assert entries("paper", Document({"datasets": {"d": other}}), [])[0].verdict == "open"


def test_a_contrast_pairs_runs_of_one_profile():
    rule = {"kind": "contrast", "experiment": "paper", "data": "squares", "protocol": "paper"}
    rule |= {"rows": ["without", "ours"], "measure": "accuracy"}
    runs = [run(0.8, variant="without", profile="short"), run(0.9, profile="short")]
    runs += [run(0.9, variant="without", profile="long")]
    found = measured.say(None, "/claims/0", rule, runs)
    assert found.reason.endswith("points of accuracy: +10.0 by seed (0; `short`).")
    found = measured.say(None, "/claims/0", rule, [*runs, run(0.7, profile="long")])
    assert found.reason.endswith("-20.0 by seed (0; `long`); +10.0 by seed (0; `short`).")


def test_the_analysis_of_variance_takes_one_profile_at_a_time():
    values = {
        ("short", 0.25): (0.5, 0.6),
        ("short", 1.5): (0.5, 0.7),
        ("long", 0.25): (0.5, 0.6),
        ("long", 1.5): (0.9, 0.8),
    }
    runs = [
        run(variant=f"net+focal_{alpha:.2f}", profile=profile, seed=seed, metrics={"macro_f1": value})
        for (profile, alpha), pair in values.items()
        for seed, value in enumerate(pair)
    ]
    rule = {"kind": "alphas", "experiment": "paper", "data": "squares", "protocol": "paper", "network": "net"}
    reason = measured.say(None, "/claims/0", rule, runs).reason
    # By hand, short: alphas' means 0.55 and 0.60, sum of squares 0.0025; residual 0.0025 on one degree: F = 1.
    assert "F(1, 1) = 1.00, p = 0.50 (2 alphas x 2 seeds, `short`)" in reason
    # long: means 0.55 and 0.85, 0.09; residual 0.01: F = 9.
    assert "F(1, 1) = 9.00" in reason and "`long`" in reason


def test_rows_of_two_profiles_are_told_apart_under_both_protocols():
    rule = {"kind": "protocols", "experiment": "paper", "data": "squares", "variant": "ours"}
    rule["measure"] = "accuracy"
    leaked = {"leakage": {"overall": 0.25}}
    runs = [run(0.9, profile="long", **leaked), run(0.6, profile="short", protocol="clean", **leaked)]
    reason = measured.say(None, "/claims/0", rule, runs).reason
    assert "90.0 % paper (25.0 % leaked, `long`, seeds 0), 60.0 % clean (25.0 % leaked, `short`" in reason


FIGURE = {"where": "Figure 1", "what": "curves", "numbers": "/tables/1"}


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [([], "open"), ([run()], "consistent"), ([run(0.8, (0.78, 0.82))], "refuted")],
)
def test_a_figure_has_the_verdict_of_all_its_numbers(runs, verdict):
    tables = {
        "1": DOCUMENT["tables"]["1"],
        "10": {"where": "Table 10", "rows": [{"model": "A", "accuracy": 1}]},
    }
    tables["10"]["otherwise"] = {"verdict": "refuted", "reason": "another table"}
    [*_, figure] = entries("paper", Document({"tables": tables, "figures": [FIGURE]}), runs)
    assert figure.verdict == verdict and "Its 1 numbers: 1 " in figure.reason


def test_a_figure_of_no_number_is_named():
    with pytest.raises(ValueError, match="Figure 1 names the numbers /tables/2; there are none"):
        document = Document({"tables": DOCUMENT["tables"], "figures": [FIGURE | {"numbers": "/tables/2"}]})
        entries("paper", document, [])


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"class": "a", "images": 30}, "confirmed"),
        ({"class": "a", "images": 31}, "refuted"),
        ({"class": "unknown", "images": 30}, "open"),
        ({"class": "a", "share": 49}, "open"),
    ],
)
def test_only_counts_of_known_classes_are_compared(tmp_path, monkeypatch, row, verdict):
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    (tmp_path / "class_counts-squares.json").write_text('{"counts": {"a": 30, "b": 20}}')
    rule = {"kind": "data", "experiment": "paper", "data": "squares", "protocol": "paper"}
    table = {
        "where": "Table 1",
        "measured": rule,
        "otherwise": {"verdict": "open", "reason": "x"},
        "rows": [row],
    }
    [entry] = entries("paper", Document({"tables": {"1": table}}), [])
    assert entry.verdict == verdict
