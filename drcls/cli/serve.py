"""Serve a model on this machine: the screening application.

The first time, create an account with python -m drcls.app add-account NAME; that command also calibrates, checks
acceptance criteria and verifies the audit log.

Images are prepared as the model card beside the model says, or as its run folder does.

examples:
  drcls serve runs/plain --trained-on data/mine
  drcls serve handed_over/model.keras --folder screening --port 8080
"""

from pathlib import Path

from drcls.cli.arguments import existing, model_file

AFTER_INTERRUPTION = "the server has ended; the same command starts it again"


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_MODEL", type=model_file, help="run folder or .keras file")
    parser.add_argument(
        "--folder", type=Path, default=Path("screening"), help="data folder (default: screening)"
    )
    parser.add_argument(
        "--trained-on",
        type=existing,
        help="prepared folder of the model (default: what the model card or run folder beside it records); with it "
        "and the split.csv of a run folder, probabilities are calibrated on the validation images; drcls export leaves "
        "split.csv out",
    )
    parser.add_argument(
        "--gate",
        choices=["fundus", "none"],
        default="fundus",
        help="quality check of photographs before they are graded; none: for images other than the retina's "
        "(default: %(default)s)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--tls", action="store_true", help="a proxy in front of it speaks HTTPS")
    parser.add_argument("--name", action="append", help="name browsers call it by; may be repeated")


def run(options):
    """Serve until interrupted."""
    from drcls.app.__main__ import main as application

    model = options.model / "model.keras" if options.model.is_dir() else options.model
    # With "=", a value that begins with a dash is one.
    arguments = ["serve", f"--model={model}", f"--folder={options.folder}", f"--host={options.host}"]
    arguments += [f"--port={options.port}", f"--gate={options.gate}", *(["--tls"] if options.tls else [])]
    arguments += [f"--name={name}" for name in options.name or []]
    arguments += [f"--trained-on={options.trained_on}"] if options.trained_on else []
    try:
        failed = application(arguments)
    except SystemExit as end:
        raise RuntimeError(str(end.code).removeprefix("error: ")) from end
    return {"model": str(model), "folder": str(options.folder), "failed": failed}


def describe(result):
    return f"{result['model']}: the server has ended"
