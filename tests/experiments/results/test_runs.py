"""The committed runs: those of the package are read once, those of another folder whenever they are asked for."""

from drcls.files import write_json
from experiments.results.runs import committed_runs, real_runs


def test_runs_are_named_by_their_files_and_read_anew_from_another_folder(tmp_path):
    assert committed_runs(tmp_path) == []
    for seed in (0, 1):
        write_json(tmp_path / "paper" / f"eyes-clean-quick-s{seed}" / "small.json", {"seed": seed})
        assert len(committed_runs(tmp_path)) == seed + 1
    runs = committed_runs(tmp_path)
    file = "paper/eyes-clean-quick-s0/small.json"
    assert runs[0] == {"seed": 0, "file": file, "experiment": "paper"}


def test_those_of_the_package_are_read_once_and_phantoms_are_not_real():
    everything = committed_runs()
    assert all(one is again for one, again in zip(everything, committed_runs(), strict=True))
    assert 0 < len(real_runs()) < len(everything) and not any(run["phantom"] for run in real_runs())
