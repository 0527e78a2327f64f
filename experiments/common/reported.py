"""The runs that a report is about."""

from drcls.report import read_predictions, read_runs, select_runs


def runs_to_report(run_set, data_sets, profile):
    """Read the runs of some data sets and one profile.

    Args:
        run_set: Path of an experiment's run folders, `runs/chexnet_cbam`.
        data_sets: list of str, the first one is the data set itself, others are made from it.
        profile: str.

    Returns:
        list of dict, see `drcls.report.read_runs`.

    Raises:
        FileNotFoundError: where there is none, or a finished one has no predictions.
        ValueError: where a finished one has not a prediction for each test image.
    """
    runs = runs_of(run_set, data_sets, profile)
    if not runs:
        raise FileNotFoundError(no_run(run_set, data_sets[0], profile))
    return runs


def runs_of(place, data_sets, profile):
    """Return the runs below `place`, maybe none; otherwise as `runs_to_report`."""
    found = read_runs(place) if any(place.glob("*/*/config.json")) else []
    runs = [run for run in found if run["data"] in data_sets and run["profile"] == profile]
    for run in select_runs(runs, finished=True):
        read_predictions(run)  # a file that was cut is an error
    return runs


def no_run(run_set, data, profile):
    """Return what to say where nothing has been trained yet, str; arguments as `runs_to_report`."""
    command = f"make reproduce-{run_set.name.replace('_', '-')} DATA={data} PROFILE={profile}"
    return f"{run_set} holds no run of {data} with the profile {profile}; train first: {command}"
