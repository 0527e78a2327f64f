"""What the commands share: a parser that answers a wrong argument in one line, and checks of single arguments."""

import argparse
import contextlib
import sys
from pathlib import Path


class UsageError(Exception):
    """Arguments that do not fit each other or their files; the command ends with exit status 2."""


@contextlib.contextmanager
def as_usage_error(prefix=""):
    """Raise a ValueError of the block as a `UsageError`, with a prefix that names the argument."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{prefix}{error}") from error


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that tells what is wrong in one line, without the usage above it."""

    def error(self, message):
        print(f"{self.prog}: error: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def existing(text):
    """A path that exists."""
    path = Path(text)
    try:
        found = path.exists()
    except OSError as error:  # such as a name that is longer than a file system takes
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}; expected a file or folder") from error
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def prepared(text):
    """A folder that `drcls prepare` wrote."""
    folder = existing(text)
    if not (folder / "manifest.csv").is_file() or not (folder / "dataset.json").is_file():
        raise argparse.ArgumentTypeError(
            f"{text} is not prepared: expected manifest.csv and dataset.json in it; "
            f"first run: drcls prepare {text} PREPARED"
        )
    return folder


def run_folder(text):
    """A finished run folder."""
    folder = existing(text)
    if not (folder / "metrics.json").is_file():
        raise argparse.ArgumentTypeError(f"{text} is no finished run: expected metrics.json in it")
    return folder


def model_file(text):
    """A saved model: a `.keras` file, or a run folder that holds `model.keras`."""
    path = existing(text)
    file = path / "model.keras" if path.is_dir() else path
    if not file.is_file() or file.suffix != ".keras":
        raise argparse.ArgumentTypeError(
            f"{text}: expected a .keras file, or a run folder with model.keras in it"
        )
    return path


def positive_int(text):
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; received {text!r}")
    return int(text)


def seed_number(text):
    """A whole number from 0 to 4294967295, the largest that every random generator takes."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {2**32 - 1}; received {text!r}")
    return int(text)


def number_of_devices(text):
    """A whole number of at least 1, or `all`."""
    return text if text == "all" else positive_int(text)


def positive_float(text):
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0; received {text!r}")
    return value


def names(*allowed):
    """Return a check of names separated by commas."""

    def check(text):
        given = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in given if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown {', '.join(unknown)}; expected some of {','.join(allowed)}"
            )
        return given

    return check
