from drcls.report import Measure, read_runs, verdict

MEASURES = [Measure("accuracy (%)", "accuracy"), Measure("quadratic kappa", "quadratic_kappa", percent=False)]
REPORTED = "The paper reports 96.12 % accuracy."


def test_three_sentences_and_what_was_not_run(fabricate, tmp_path):
    fabricate("Best", "paper", metrics={"accuracy": 0.5, "quadratic_kappa": 0.1})
    for seed, accuracy in enumerate((0.7, 0.8, 0.75)):
        leakage = {"overall": 0.0, "per_class": {}}
        fabricate("Best", seed=seed, metrics={"accuracy": accuracy, "quadratic_kappa": 0.5}, leakage=leakage)
    fabricate("Half", finished=False)
    found = verdict(read_runs(tmp_path / "runs"), REPORTED, "Best", MEASURES, ["Best", "Half", "Never"])
    assert found == [
        REPORTED,
        "The paper's protocol gives accuracy 50.0 % and quadratic kappa 0.100 here (`Best`, seed 0, 120 test "
        "images; 95 % interval of the accuracy over groups of images 50.0 to 75.0 %). 25.0 % of its test images "
        "leaked: the training part holds the same or nearly the same image.",
        "A leak-free split gives accuracy 75.0 ± 5.0 % and quadratic kappa 0.500 ± 0.000 here (`Best`, seeds 0, 1 and "
        "2, 120 test images; 95 % interval of the accuracy over groups of images 50.0 to 75.0 %). None of its test "
        "images leaked.",
        "Not run: Half and Never.",
    ]


def test_a_protocol_that_was_not_run_is_said(fabricate, tmp_path):
    fabricate("Best", data="phantom-fundus")
    found = verdict(read_runs(tmp_path / "runs"), REPORTED, "Best", MEASURES, ["Best"])
    assert found[1] == "The paper's protocol on synthetic images was not run with `Best`."
    assert found[2].startswith("A leak-free split on synthetic images gives accuracy ")
    assert len(found) == 3


def test_a_sample_is_named(fabricate, tmp_path):
    fabricate("Best", sample="A sample of real images.")
    found = verdict(read_runs(tmp_path / "runs"), REPORTED, "Best", MEASURES)
    assert found[2].startswith("A leak-free split on a sample of images gives accuracy ")


def test_a_split_that_was_not_audited_is_said(fabricate, tmp_path):
    fabricate("Best", leakage=None)
    found = verdict(read_runs(tmp_path / "runs"), REPORTED, "Best", MEASURES)
    assert found[2].endswith(" Its leaks were not audited.")


def test_groups_that_are_torn_apart_are_said(fabricate, tmp_path):
    fabricate("Best", leakage={"overall": 0.0, "group": 0.98})
    found = verdict(read_runs(tmp_path / "runs"), REPORTED, "Best", MEASURES)
    assert "None of its test images leaked. 98.0 % come from a group" in found[2]
