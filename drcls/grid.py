"""Many trainings as one grid: cells with run folders, run one after another, in local processes or on Ray."""

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

from drcls.runs import is_current, is_finished, write_json, write_text

ENGINES = ("sequential", "processes", "ray")
# One thread a cell: small networks gain little from a second one, and a second cell gains all of it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Args:
        folder: Path of its run folder.
        config: dict, written there as `config.json`: everything that the training depends on.
    """

    folder: Path
    config: dict


def run_grid(cells, train_cell, engine="sequential", num_workers=1, address=None):
    """Run all cells that are not finished, and say which failed.

    A cell is finished once its folder holds `metrics.json`, and is then never run again; one that was cut is
    started again by the next call, and `train_cell` may go on from what it finds in the folder. What a cell
    prints stands in its `log.txt`. An error ends its cell alone and stands in its `failed.txt`.

    Args:
        cells: list of `Cell` with different folders.
        train_cell: function (config, folder) that writes `folder/metrics.json` last. For processes and Ray it
            must be importable by name, not defined in the script that is run.
        engine: `"sequential"` (in this process), `"processes"` (each with one thread) or `"ray"`.
        num_workers: int, processes, or workers of a Ray that is started here.
        address: of an existing Ray cluster, for example `"auto"`. Its workers must see run folders, data and
            code under the paths they have here.

    Returns:
        dict from the folder of each failed cell to the last line of its error; empty where all went well.

    Raises:
        ValueError: on an unknown engine, folders that repeat, or a folder that holds a cell of other settings.
        ModuleNotFoundError: where Ray is asked for and not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {ENGINES}; received {engine!r}")
    if len({cell.folder for cell in cells}) < len(cells):
        raise ValueError(f"every cell needs its own folder; received {len(cells)} cells, some share one")
    if engine == "ray" and importlib.util.find_spec("ray") is None:
        raise ModuleNotFoundError("engine 'ray' needs the package ray: pip install 'drcls[ray]'")
    waiting = [cell for cell in cells if not is_current(cell.folder, cell.config)]
    failed = {}
    with tqdm(total=len(cells), initial=len(cells) - len(waiting), unit="cell", desc="grid") as progress:
        for cell, error in _outcomes(waiting, train_cell, engine, num_workers, address):
            if error is None and not is_finished(cell.folder):
                error = f"ended without {cell.folder / 'metrics.json'}, or where this machine does not see it"
            if error:
                failed[cell.folder] = error
                progress.write(f"{cell.folder} failed: {error}")
                progress.set_postfix(failed=len(failed))
            progress.update()
    return failed


def _outcomes(cells, train_cell, engine, num_workers, address):
    """Yield each cell as it ends, with its error or None."""
    if engine == "processes":
        return _in_processes(cells, train_cell, num_workers)
    if engine == "ray":
        return _on_ray(cells, train_cell, num_workers, address)
    return ((cell, run_cell(train_cell, cell)) for cell in cells)


def run_cell(train_cell, cell):
    """Run one cell and return the last line of its error, or None."""
    failure = cell.folder / "failed.txt"
    failure.unlink(missing_ok=True)
    write_json(cell.folder / "config.json", cell.config)
    try:
        with (cell.folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
            train_cell(cell.config, cell.folder)
    except Exception as error:  # noqa: BLE001 - whatever ends one cell must not end the others
        write_text(failure, traceback.format_exc())
        return f"{type(error).__name__}: {error}"
    return None


def _in_processes(cells, train_cell, num_workers):
    left = list(cells)
    try:
        for cell, error in _in_pool(left, train_cell, num_workers):
            left.remove(cell)
            yield cell, error
    except BrokenProcessPool:
        # A process that is killed, for want of memory say, takes its pool along: find the cell that kills.
        for cell in left:
            try:
                yield from _in_pool([cell], train_cell, 1)
            except BrokenProcessPool:
                error = "its process was killed, perhaps for want of memory"
                write_text(cell.folder / "failed.txt", f"{error}\n")
                yield cell, error


def _in_pool(cells, train_cell, num_workers):
    pool = _pool(num_workers)
    ends = {}
    try:
        ends = {pool.submit(run_cell, train_cell, cell): cell for cell in cells}
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


def _on_ray(cells, train_cell, num_workers, address):
    import ray

    with ray.init(
        address=address,
        num_cpus=None if address else num_workers,
        runtime_env={"env_vars": ONE_THREAD},
        log_to_driver=False,
        include_dashboard=None if address else False,
    ):
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(run_cell)
        waiting = {remote.remote(train_cell, cell): cell for cell in cells}
        while waiting:
            [end], _ = ray.wait(list(waiting), num_returns=1)
            cell = waiting.pop(end)
            try:
                yield cell, ray.get(end)
            except ray.exceptions.RayError as error:
                write_text(cell.folder / "failed.txt", f"{error}\n")
                yield cell, f"{type(error).__name__}: {error}"
