"""Many trainings as one grid: trials with run folders, run one after another, in local processes or on Ray."""

import contextlib
import functools
import importlib.util
import multiprocessing
import os
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from tqdm import tqdm

from drcls.files import remove_partial, write_json, write_text
from drcls.runs import RunInUseError, is_current, is_finished, sole_user

ENGINES = ("sequential", "processes", "ray")
# One thread a trial: small networks gain little from a second one, and a second trial gains all of it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@dataclass(frozen=True)
class Trial:
    """One training of a grid.

    Args:
        folder: Path of its run folder.
        config: dict, written there as `config.json`: everything that the training depends on.
    """

    folder: Path
    config: dict


def run_trials(trials, train_trial, engine="sequential", num_workers=1, address=None):
    """Run all trials that are not finished, and say which failed.

    A trial is finished once its folder holds `metrics.json`, and is then never run again; one that was cut is
    started again by the next call, and `train_trial` may go on from what it finds in the folder. What a trial
    prints stands in its `log.txt`. An error ends its trial alone and stands in its `failed.txt`.

    Args:
        trials: list of `Trial` with different folders.
        train_trial: function (config, folder) that writes `folder/metrics.json` last. For processes and Ray it
            must be importable by name, not defined in the script that is run.
        engine: `"sequential"` (in this process), `"processes"` (each with one thread) or `"ray"`.
        num_workers: int, processes, or workers of a Ray that is started here.
        address: of an existing Ray cluster, for example `"auto"`. Its workers must see run folders, data and
            code under the paths they have here.

    Returns:
        dict from the folder of each failed trial to the last line of its error; empty where all went well.

    Raises:
        ValueError: on an unknown engine, folders that repeat, or a folder that holds a trial of other settings.
        ModuleNotFoundError: where Ray is asked for and not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {ENGINES}; received {engine!r}")
    if len({trial.folder for trial in trials}) < len(trials):
        raise ValueError(f"every trial needs its own folder; received {len(trials)} trials, some share one")
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ModuleNotFoundError("engine 'ray' needs the package ray: pip install '.[ray]' in the checkout")
    waiting = [trial for trial in trials if not is_current(trial.folder, trial.config)]
    failed = {}
    with tqdm(total=len(trials), initial=len(trials) - len(waiting), unit="trial", desc="grid") as progress:
        for trial, error in _outcomes(waiting, train_trial, engine, num_workers, address):
            if error is None and not is_finished(trial.folder):
                error = (
                    f"ended without {trial.folder / 'metrics.json'}, or where this machine does not see it"
                )
            if error:
                failed[trial.folder] = error
                progress.write(f"{trial.folder} failed: {error}")
                progress.set_postfix(failed=len(failed))
            progress.update()
    return failed


def _outcomes(trials, train_trial, engine, num_workers, address):
    """Yield each trial as it ends, with its error or None."""
    if engine == "processes":
        return _in_processes(trials, train_trial, num_workers)
    if engine == "ray":
        return _on_ray(trials, train_trial, num_workers, address)
    return ((trial, run_trial(train_trial, trial)) for trial in trials)


def run_trial(train_trial, trial):
    """Run one trial and return the last line of its error, or None."""
    try:
        with sole_user(trial.folder):
            return _run_alone(train_trial, trial)
    except RunInUseError as error:  # the trial is the other process's: its folder is left alone
        return f"{type(error).__name__}: {error}"


def _run_alone(train_trial, trial):
    """Run one trial whose folder no other process uses; as `run_trial`."""
    failure = trial.folder / "failed.txt"
    failure.unlink(missing_ok=True)
    remove_partial(trial.folder)
    write_json(trial.folder / "config.json", trial.config)
    try:
        with (trial.folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
            train_trial(trial.config, trial.folder)
    except Exception as error:  # noqa: BLE001 - whatever ends one trial must not end the others
        write_text(failure, traceback.format_exc())
        return f"{type(error).__name__}: {error}"
    return None


def _in_processes(trials, train_trial, num_workers):
    left = list(trials)
    try:
        for trial, error in _in_pool(left, train_trial, num_workers):
            left.remove(trial)
            yield trial, error
    except BrokenProcessPool:
        # A process that is killed, for want of memory say, takes its pool along: find the trial that kills.
        for trial in left:
            try:
                yield from _in_pool([trial], train_trial, 1)
            except BrokenProcessPool:
                error = "its process was killed, perhaps for want of memory"
                write_text(trial.folder / "failed.txt", f"{error}\n")
                yield trial, error


def _in_pool(trials, train_trial, num_workers):
    pool = _pool(num_workers)
    ends = {}
    try:
        ends = {pool.submit(run_trial, train_trial, trial): trial for trial in trials}
        for end in as_completed(ends):
            yield ends[end], end.result()
    except BrokenProcessPool:
        _pool.cache_clear()
        raise
    finally:
        for end in ends:
            end.cancel()


@functools.lru_cache(maxsize=1)
def _pool(num_workers):
    """Processes that stay for the next grid: they have imported and compiled what they train."""
    context = multiprocessing.get_context("spawn")  # a forked TensorFlow hangs
    return ProcessPoolExecutor(num_workers, context, _start_worker)


def _start_worker():
    os.environ.update(ONE_THREAD)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A worker whose parent was killed would else wait for work for ever."""
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _on_ray(trials, train_trial, num_workers, address):
    import ray

    with ray.init(
        address=address,
        num_cpus=None if address else num_workers,
        runtime_env={"env_vars": ONE_THREAD},
        log_to_driver=False,
        include_dashboard=None if address else False,
    ):
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(run_trial)
        waiting = {remote.remote(train_trial, trial): trial for trial in trials}
        while waiting:
            [end], _ = ray.wait(list(waiting), num_returns=1)
            trial = waiting.pop(end)
            try:
                yield trial, ray.get(end)
            except ray.exceptions.RayError as error:
                write_text(trial.folder / "failed.txt", f"{error}\n")
                yield trial, f"{type(error).__name__}: {error}"
