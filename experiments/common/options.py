"""The command line that all experiments share."""

import argparse

import keras

from drcls.cli.arguments import Parser, number_of_devices, positive_int, seed_number
from drcls.environment import devices, program_name
from drcls.train import check_devices


def make_parser(description, profiles, data_sets):
    """Return an `argparse.ArgumentParser` with the options of every experiment; each adds its own.

    Args:
        description: str, the experiment's docstring.
        profiles: iterable of str.
        data_sets: str, the names that `--data` knows, as the help shows them.
    """
    parser = Parser(
        prog=f"python {program_name()}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", default="auto", type=folder_name, help=f"auto, {data_sets}")
    parser.add_argument("--protocol", default="both", choices=["paper", "clean", "both"])
    parser.add_argument("--profile", default="auto", choices=["auto", *profiles])
    parser.add_argument("--models", default="all", help="all, or names of rows, parted by commas")
    parser.add_argument("--seed", type=seed_number, default=0)
    parser.add_argument("--epochs", type=positive_int, help="instead of the profile's")
    parser.add_argument("--runs", default="runs", help="folder of the run folders")
    parser.add_argument("--tensorboard", action="store_true", help="log to RUN/tensorboard while training")
    parser.add_argument(
        "--devices", type=number_of_devices, default=1, help="devices that train a network together, or all"
    )
    parser.add_argument("--force", action="store_true", help="train finished rows anew")
    parser.add_argument("--report-only", action="store_true", help="rebuild the report from the run folders")
    return parser


def resolve_options(options, prepared, stand_in, models, known):
    """Replace auto, all and both by what they mean here, and print what every option became.

    Args:
        options: what the parser returned; changed in place, with `protocols` added and `models` a list.
        prepared: Path of the paper's own data set; `--data auto` is this one where it holds a manifest.
        stand_in: str, the data set that `--data auto` is otherwise: a phantom, or a sample of real images.
        models: function (options with data and profile resolved) -> list of str, what `--models all` means.
        known: list of str, all rows there are.

    Raises:
        SystemExit: where a row is unknown.
        ValueError: where there are fewer devices than asked for.
    """
    options.devices = check_devices(options.devices)
    if options.data == "auto":
        options.data = prepared.name if (prepared / "manifest.csv").is_file() else stand_in
    if options.profile == "auto":
        options.profile = "quick" if all("cpu" in name.lower() for name in devices()) else "full"
    options.protocols = ["paper", "clean"] if options.protocol == "both" else [options.protocol]
    options.models = models(options) if options.models == "all" else names_in(options.models)
    unknown = [name for name in options.models if name not in known]
    if unknown:
        raise SystemExit(f"unknown models {unknown}; expected names among {known}")
    shown = {key: value for key, value in vars(options).items() if key != "protocol"}
    print(", ".join(f"{key} {value}" for key, value in shown.items()))
    print(f"{keras.backend.backend()} on {', '.join(devices())}")
    return options


def names_in(text):
    """Return the names in a text that parts them by commas, with or without blanks around these."""
    return [name.strip() for name in text.split(",")]


def folder_name(text):
    """Check a `--data`: the name of a folder in `data/`, which run folders are named after."""
    if text in ("", ".", "..") or "/" in text or "\\" in text:
        raise argparse.ArgumentTypeError(f"expected the name of a folder in data/; received {text!r}")
    return text
