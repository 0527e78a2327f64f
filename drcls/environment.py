"""What a number depends on besides the configuration: versions, machine, devices, git commit and command line."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RECORDED_PACKAGES = (
    "drcls",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "scikit-learn",
    "imbalanced-learn",
    "opencv-python-headless",
)


def environment(wall_seconds, num_devices=1):
    """Return what a number depends on besides the configuration.

    Args:
        wall_seconds: float, of the run that just ended, with the epochs before it was cut.
        num_devices: int, how many of the devices it used.

    Returns:
        dict with versions, Python, platform, backend, devices, git commit, command, cores and wall time.
    """
    import keras  # takes seconds, which `drcls train` spends only on data that it has checked

    return {
        "versions": {name: found for name in RECORDED_PACKAGES if (found := package_version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "backend": keras.backend.backend(),
        "device": ", ".join(devices()),
        "num_devices": num_devices,
        "git_commit": _git_commit(),
        "command": command_line(sys.argv),
        "wall_seconds": round(wall_seconds, 1),
    }


def command_line(arguments):
    """Return how a program was called, without the folders of this machine.

    Args:
        arguments: list of str, as `sys.argv`: an absolute path becomes its last part, a module `-m its.name`.

    Example:
        >>> command_line(["train.py", "--runs", "/data/anna/runs", "--seed", "0"])
        'train.py --runs runs --seed 0'
    """
    shown = [Path(text).name if Path(text).is_absolute() else text for text in arguments[1:]]
    return " ".join([program_name(Path(arguments[0])), *shown])


def program_name(path=None):
    """Return how a program was called: `-m package.module`, or the name of a script.

    Args:
        path: Path of its file; None: the program that runs.
    """
    path = Path(sys.argv[0]) if path is None else path
    if not (path.parent / "__init__.py").is_file():
        return path.name
    names = [] if path.stem == "__main__" else [path.stem]
    while (path.parent / "__init__.py").is_file():
        path = path.parent
        names.insert(0, path.name)
    return f"-m {'.'.join(names)}"


def devices():
    """Return the names of the devices that the backend can train on, for example ['cpu:0']."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return [f"cuda:{i}" for i in range(torch.cuda.device_count())] or ["cpu:0"]
    return keras.distribution.list_devices()  # processors alone where there is nothing faster


def package_version(package):
    """Return the version of an installed package, str; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit():
    """Return the commit of the checkout that drcls runs from; None where it is installed, be it in somebody's own."""
    file = Path(__file__).resolve()
    try:
        if _git(file, "ls-files", "--full-name", "--", file.name) != "drcls/environment.py":
            return None
        return _git(file, "describe", "--always", "--dirty", "--abbrev=12")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _git(file, *arguments):
    command = ["git", *arguments]
    answer = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=True)
    return answer.stdout.strip()
