"""The README's table says what the committed results say, and nothing else."""

import pytest

from drcls.files import read_json, write_json, write_text
from experiments.results import collect as collecting
from experiments.results import tables
from experiments.results.claims import EXPERIMENTS, Claim
from experiments.results.collect import (
    ALL_RESULTS,
    RESULTS,
    collect,
    collect_findings,
    with_other_gains,
)
from experiments.results.runs import committed_runs
from experiments.results.tables import (
    all_results,
    claims_table,
    gains_table,
    table,
)
from tests.experiments.results.texts import texts


@pytest.fixture(scope="module")
def made():
    return collecting.tables()


def test_every_page_shows_the_committed_results(made):
    for page, wanted in made.items():
        text = page.read_text(encoding="utf-8")
        assert {name: collecting.between(text, name)[1] for name in wanted} == wanted, page


def test_the_findings_have_a_row_for_each_paper():
    lines = tables.findings_table(RESULTS).splitlines()[2:]
    assert [line.split("experiments/")[1].split("/")[0] for line in lines] == list(EXPERIMENTS)


def test_a_claim_stands_beside_both_protocols(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    claim = Claim("paper", "phantom", "quick", "small", "their network (Table 9)", "99.9")
    monkeypatch.setattr(tables, "CLAIMS", [claim])
    assert claims_table(tmp_path / "results") == "None measured yet.\n"
    for seed, accuracy in ((0, 0.6), (1, 0.8)):
        write_run(tmp_path / "runs" / "paper", seed, accuracy)
    collect(tmp_path / "runs" / "paper")
    row = claims_table(tmp_path / "results").splitlines()[2]
    assert "their network (Table 9) | 99.9 | `small`" in row
    assert "70.0 ± 14.1" in row and "not run" in row and "0, 1" in row


def test_bounds_are_the_outermost_of_all_seeds():
    first, second = (
        {"intervals": {"accuracy": {"bootstrap": pair}}} for pair in ([0.5, 0.625], [0.55, 0.75])
    )
    assert tables.bounds([first, second]) == " (50.0 to 75.0)"
    all_right = {"intervals": {"accuracy": {"bootstrap": [1.0, 1.0], "wilson": [0.4, 0.6]}}}
    assert tables.bounds([first, all_right]) == " (40.0 to 62.5)"
    dependent = {"intervals": {"accuracy": {"wilson": [0.4, 0.6]}}}
    assert tables.bounds([first, dependent]) == tables.bounds([]) == ""


def test_seeds_that_share_a_split_are_named():
    runs = [
        {"seed": seed, "split_sha256": split, "config": {}} for seed, split in ((0, "a"), (1, "a"), (2, "b"))
    ]
    assert tables.named_seeds(runs[:2]) == "0, 1 (one split)"
    assert tables.named_seeds(runs[1:]) == "1, 2" and tables.named_seeds(runs[:1]) == "0"


def test_every_row_stands_beside_the_results():
    assert ALL_RESULTS.read_text(encoding="utf-8") == all_results(RESULTS)


def test_gains_of_rows_that_were_not_run_again_are_kept():
    def gain(backbone, change):
        return {"protocol": "clean", "backbone": backbone, "learner": "soft_voting", "change": change}

    committed = {"rounding": "said", "gains": [gain("one", 1), gain("two", 2)]}
    together = with_other_gains({"phantom": False, "gains": [gain("two", 3)]}, committed)
    assert together == {"rounding": "said", "phantom": False, "gains": [gain("one", 1), gain("two", 3)]}


def test_gains_of_soft_voting_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    found = {"accuracy": {"difference": 0.01, "interval": [-0.005, 0.025]}}
    gains = [
        {"protocol": "clean", "backbone": "net", "learner": learner, "differences": found}
        | {"p_value": 0.25, "p_unit": "group", "seeds": [0, 1]}
        for learner in ("k-NN", "soft_voting")
    ]
    source = tmp_path / "smote_transfer"
    write_json(source / "report-phantom-quick" / "gains.json", {"phantom": True, "gains": gains})
    collect_findings(source)
    identity = {"data": "phantom", "profile": "quick", "protocol": "clean", "phantom": True}
    for seed, gained in ((0, 0.01), (1, 0.02)):
        for name, accuracy in (("none", 0.5), ("SMOTE", 0.5 + gained)):
            folder = tmp_path / "results" / "smote_transfer" / f"phantom-clean-quick-s{seed}"
            metrics = {"accuracy": accuracy, "macro_recall": 0.25}
            run = identity | {"variant": f"net+{name}", "seed": seed, "metrics": metrics}
            write_json(folder / f"net+{name}.json", run)
    lines = gains_table(tmp_path / "results").splitlines()
    over_seeds = "accuracy: 95 % interval over seeds | macro recall: 95 % interval over seeds"
    heads = (
        f"data, profile | protocol | backbone | accuracy | paired exact p, all seeds | seeds | {over_seeds}"
    )
    assert lines[0] == f"| {heads} |"
    start = "| phantom (synthetic), quick | clean | net | +1.00 (-0.50 to +2.50)"
    # By hand: mean 1.5, standard error 0.5, t 12.706 with one degree of freedom.
    assert lines[2:] == [f"{start} | 0.250 | 0, 1 | -4.9 to +7.9 | no spread |"]
    assert gains_table(tmp_path / "nowhere") == "None measured yet.\n"


def write_run(folder, seed, accuracy):
    run = folder / f"phantom-clean-quick-s{seed}" / "small"
    identity = {
        "data": "phantom",
        "phantom": True,
        "profile": "quick",
        "protocol": "clean",
        "variant": "small",
    }
    metrics = {"accuracy": accuracy, "macro_f1": 0.5, "quadratic_kappa": 0.25}
    measured = {"seed": seed, "num_test": 10, "metrics": metrics, "leakage": {"overall": 0.125}}
    measured |= {"class_names": ["No_DR", "Mild"], "ordered": True}
    measured["intervals"] = {"accuracy": {"wilson": [0.25, 0.75]}}
    write_json(run / "env.json", {"device": "cpu:0"})
    write_json(run / "config.json", {"epochs": 1})
    write_text(run / "split.csv", "path\n")
    write_json(run / "metrics.json", identity | measured)


def test_seeds_are_averaged_and_synthetic_data_named(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    for seed, accuracy in ((0, 0.6), (1, 0.8)):
        write_run(tmp_path / "runs" / "paper", seed, accuracy)
    collect(tmp_path / "runs" / "paper")
    row = table(tmp_path / "results").splitlines()[2]
    assert row == (
        "| paper | phantom (synthetic), quick | `small` | clean | 12.5 % | 10 | 70.0 ± 14.1 | 50.0 ± 0.0 | "
        "0.250 ± 0.000 | 0, 1 (one split) |"
    )


def test_a_committed_row_of_other_settings_is_replaced_only_by_force(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    runs = tmp_path / "runs" / "paper"
    for seed in (0, 1):
        write_run(runs, seed, 0.6)
    collect(runs)
    write_run(runs, 0, 0.7)
    write_json(runs / "phantom-clean-quick-s1" / "small" / "config.json", {"epochs": 15})
    with pytest.raises(
        SystemExit, match=r"s1/small.json was made with other settings \(epochs: 1 there, 15 in "
    ):
        collect(runs)
    kept = tmp_path / "results" / "paper" / "phantom-clean-quick-s0" / "small.json"
    assert read_json(kept)["metrics"]["accuracy"] == 0.6
    collect(runs, force=True)
    assert read_json(kept)["metrics"]["accuracy"] == 0.7
    assert "| 0, 1 (epochs 1, 15) (one split) |" in table(tmp_path / "results")


def test_classes_without_an_order_have_no_kappa(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    write_run(tmp_path / "runs" / "paper", 0, 0.6)
    file = tmp_path / "runs" / "paper" / "phantom-clean-quick-s0" / "small" / "metrics.json"
    write_json(file, read_json(file) | {"ordered": False})
    collect(tmp_path / "runs" / "paper")
    assert "| no grades | 0 |" in table(tmp_path / "results")


def test_many_learners_are_kept_without_their_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(collecting, "ROOT", tmp_path)
    write_run(tmp_path / "runs" / "paper", 0, 0.6)
    folder = tmp_path / "runs" / "paper" / "phantom-clean-quick-s0" / "small"
    measured = {"accuracy": 0.5, "per_class": {"a": {}}, "confusion_matrix": [[1]]}
    intervals = {"accuracy": {"wilson": [0.25, 0.75]}}
    write_json(folder / "learners.json", {"k-NN": {"metrics": measured, "intervals": intervals}})
    collect(tmp_path / "runs" / "paper")
    kept = read_json(tmp_path / "results" / "paper" / "phantom-clean-quick-s0" / "small.json")
    assert kept["learners"] == {"k-NN": {"metrics": {"accuracy": 0.5}, "intervals": intervals}}


def test_contrasts_are_between_rows_of_one_split(tmp_path):
    values = {"fine_tuned": 0.75, "none": 0.8, "SMOTE": 0.78}
    for name, value in values.items():
        run = {"data": "squares", "phantom": True, "profile": "quick", "protocol": "clean", "seed": 0}
        run |= {"variant": f"net+{name}", "split_sha256": "b" if name == "SMOTE" else "a"}
        run |= {"metrics": dict.fromkeys(tables.CONTRASTED, value)}
        write_json(tmp_path / "smote_transfer" / "squares-clean-quick-s0" / f"net+{name}.json", run)
    lines = tables.contrasts_table(tmp_path).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(
        "| squares (synthetic), quick | clean | `net+fine_tuned` to `net+none` | 5.00 |"
    )
    assert tables.contrasts_table(tmp_path / "nowhere") == "None measured yet.\n"


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(SystemExit, match="holds no finished run"):
        collect(tmp_path)


def test_a_folder_that_is_no_experiments_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for text in ("runs/chexnet_old", "."):
        with pytest.raises(SystemExit):
            collecting.main([text])
        assert (
            f"{text}: expected a folder named after an experiment, one of chexnet_cbam, "
            in capsys.readouterr().err
        )
    assert collecting.run_set_folder("chexnet_cbam") == tmp_path / "chexnet_cbam"
    (tmp_path / "chexnet_cbam").mkdir()
    monkeypatch.chdir(tmp_path / "chexnet_cbam")
    assert collecting.run_set_folder(".") == tmp_path / "chexnet_cbam"


def test_only_ordered_classes_have_a_kappa_among_the_committed_results():
    for run in committed_runs():
        assert isinstance(run["ordered"], bool), run["file"]
        assert run["ordered"] or run["metrics"]["quadratic_kappa"] is None, run["file"]


def test_no_committed_result_names_a_folder_of_a_machine():
    for path in RESULTS.rglob("*.json"):
        named = [text for text in texts(read_json(path)) if any(p.startswith("/") for p in text.split())]
        assert not named, f"{path.name}: {named[:3]}"
