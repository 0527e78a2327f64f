"""Predict the class of images and write a table.

IMAGES are files or folders, searched to their depth. They are prepared as the training images were, where the run
folder, or the card that names the file, says how. A broken file is listed with the reason, the rest is predicted, and
the exit status is 1 then.

examples:
  drcls predict runs/plain new_images predictions.csv
  drcls predict model.keras monday tuesday week.csv --json
"""

from pathlib import Path

from drcls.cli.arguments import UsageError, existing, model_file

AFTER_INTERRUPTION = "give the command again; nothing half-written is left"


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_MODEL", type=model_file, help="run folder or .keras file")
    parser.add_argument(
        "images", metavar="IMAGES", type=existing, nargs="+", help="image files, or folders of them"
    )
    parser.add_argument("to", metavar="TO.csv", type=Path, help="table to write")


def run(options):
    """Predict, and say what was written and what was broken."""
    if options.to.suffix.lower() != ".csv":
        raise UsageError(
            f"the last argument is the table to write; expected a name that ends in .csv, received {options.to}"
        )
    from drcls.cli.pictures import listed, preparation_of
    from drcls.explain import predict_folder

    done = predict_folder(
        options.model, options.images, options.to, preparation=preparation_of(options.model)
    )
    broken = listed(done["broken"])
    return done | {"table": str(done["table"]), "broken": broken, "failed": len(broken)}


def describe(result):
    from drcls.cli.pictures import describe_broken

    lines = [f"{result['images']} images predicted: {result['table']}", *describe_broken(result["broken"])]
    return "\n".join([*lines, *(f"assumed: {one}" for one in result["assumed"])])
