import json

import numpy as np
import pytest

from drcls.report import describe, read_history, read_predictions, read_runs, seed_spread, select_runs


def test_reads_one_run_a_set_and_an_experiment(fabricate, tmp_path):
    folder = fabricate("A")
    fabricate("B")
    fabricate("A", seed=1)
    assert [run["variant"] for run in read_runs(folder)] == ["A"]
    assert [run["variant"] for run in read_runs(folder.parent)] == ["A", "B"]
    runs = read_runs(tmp_path / "runs")
    assert [(run["seed"], run["variant"]) for run in runs] == [(0, "A"), (0, "B"), (1, "A")]
    assert runs[0]["folder"] == folder
    assert runs[0]["env"]["device"] == "fake CPU"
    assert [run["seed"] for run in select_runs(runs, variant="A", seed=1)] == [1]


def test_a_folder_named_twice_is_read_once(fabricate, tmp_path):
    folder = fabricate("A")
    assert len(read_runs([folder, tmp_path / "runs"])) == 1


def test_unfinished_run_is_kept_and_told_apart(fabricate, tmp_path):
    fabricate("A", finished=False)
    (run,) = read_runs(tmp_path / "runs")
    assert run["finished"] is False
    assert (run["data"], run["protocol"], run["profile"], run["seed"]) == ("fake", "clean", "quick", 0)


def test_unfinished_run_whose_configuration_does_not_say_which_it_is_is_an_error(tmp_path):
    folder = tmp_path / "red-cells-paper-quick-s12" / "A"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"data": "red-cells", "profile": "quick", "variant": "A"}')
    with pytest.raises(
        ValueError, match=r"A/config.json: unfinished run .*, expected also \['protocol', 'seed'\]"
    ):
        read_runs(tmp_path)


def test_folder_without_runs_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: holds no run"):
        read_runs(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        read_runs(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ['{"variant": "A", ', "[1, 2]", '{"variant": "A"}'])
def test_broken_metrics_are_named(fabricate, tmp_path, content):
    path = fabricate("A") / "metrics.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=str(path)):
        read_runs(tmp_path / "runs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": None}, "metrics is 'None', a NoneType; expected a dict"),
        ({"num_test": "120"}, "num_test is '120', a str; expected a int"),
        ({"class_names": "abc"}, "class_names is 'abc', a str; expected a list"),
        ({"class_names": ["a", "b"]}, "metrics are of the classes .*, class_names are"),
    ],
)
def test_fields_that_somebody_changed_are_named(fabricate, tmp_path, change, message):
    path = fabricate("A", **change) / "metrics.json"
    with pytest.raises(ValueError, match=f"{path}: {message}"):
        read_runs(tmp_path / "runs")


def test_two_folders_with_one_run_are_an_error(fabricate, tmp_path):
    first, second = fabricate("A"), fabricate("B")
    (second / "metrics.json").write_text((first / "metrics.json").read_text())
    with pytest.raises(ValueError, match="holds the same run as"):
        read_runs(tmp_path / "runs")


def test_phantom_is_read_from_the_configuration(fabricate, tmp_path):
    folder = fabricate("A", data="innocent")
    (folder / "config.json").write_text(json.dumps({"phantom": True}))
    runs = read_runs(tmp_path / "runs")
    assert runs[0]["phantom"] is True
    assert describe(runs) == "SYNTHETIC DATA. innocent · clean protocol · quick profile · seed 0"


def test_a_data_set_called_phantom_is_synthetic_whatever_the_configuration_says(fabricate, tmp_path):
    fabricate("A", data="fundus_Phantom", phantom=False)
    assert read_runs(tmp_path / "runs")[0]["phantom"] is True


def test_real_data_is_not_called_synthetic(fabricate, tmp_path):
    fabricate("A")
    fabricate("A", protocol="paper", seed=3)
    assert describe(read_runs(tmp_path / "runs")) == (
        "fake · clean, paper protocols · quick profile · seeds 0, 3"
    )


def test_seed_spread_by_hand(fabricate, tmp_path):
    for seed, accuracy in enumerate((0.7, 0.8, 0.75)):
        fabricate("A", seed=seed, metrics={"accuracy": accuracy, "kappa": None if seed else 0.5})
    runs = read_runs(tmp_path / "runs")
    # Deviations -0.05, 0.05, 0: squares sum to 0.005, divided by 2 gives 0.0025.
    assert seed_spread(runs, "accuracy") == (pytest.approx(0.75), pytest.approx(0.05), 3)
    assert seed_spread(runs[:1], "accuracy") == (pytest.approx(0.7), None, 1)
    assert np.isnan(seed_spread(runs, "kappa")[0])
    with pytest.raises(ValueError, match="metrics.json.*expected 'recall'"):
        seed_spread(runs, "recall")


def test_predictions_keep_names_that_look_like_numbers(fabricate, tmp_path):
    path = fabricate("A") / "predictions.csv"
    path.write_text("path,label,group,predicted,p_0\n1.png,0,007,1,0.5\n")
    (run,) = read_runs(tmp_path / "runs")
    assert read_predictions(run | {"num_test": 1}).iloc[0, :4].tolist() == ["1.png", "0", "007", "1"]


def test_predictions_keep_names_that_pandas_takes_for_missing(fabricate, tmp_path):
    path, names = fabricate("A") / "predictions.csv", ["NA", "None", "null", "nan", ""]
    rows = [f"{number}.png,{name},{name},{name},0.5" for number, name in enumerate(names)]
    path.write_text("\n".join(["path,label,group,predicted,p_NA", *rows]) + "\n")
    (run,) = read_runs(tmp_path / "runs")
    frame = read_predictions(run | {"num_test": len(names)})
    for column in ("label", "group", "predicted"):
        assert frame[column].tolist() == names
    assert frame["p_NA"].tolist() == [0.5] * len(names)


def test_files_that_were_cut_are_named(fabricate, tmp_path):
    folder = fabricate("A")
    (run,) = read_runs(tmp_path / "runs")
    for name in ("predictions.csv", "history.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[:1] + lines[2:]))
    with pytest.raises(ValueError, match="predictions.csv: has 119 rows, expected 120, one for each"):
        read_predictions(run)
    with pytest.raises(ValueError, match="history.csv: its epochs are not 1 to 5 in their order"):
        read_history(run)


def test_missing_or_wrong_predictions_are_named(fabricate, tmp_path):
    path = fabricate("A") / "predictions.csv"
    (run,) = read_runs(tmp_path / "runs")
    path.write_text("file,label\n")
    with pytest.raises(ValueError, match=f"{path}: has the columns"):
        read_predictions(run)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=str(path)):
        read_predictions(run)


def test_history_is_absent_where_nothing_was_trained(fabricate, tmp_path):
    path = fabricate("A") / "history.csv"
    (run,) = read_runs(tmp_path / "runs")
    assert read_history(run)["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    path.unlink()
    assert read_history(run) is None
