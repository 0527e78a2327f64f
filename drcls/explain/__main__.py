"""Explain a saved model's predictions on images from the command line.

    python -m drcls.explain MODEL.keras IMAGE_OR_FOLDER... --method lime --output explained

Writes for each image one picture (the image beside itself under its heat map, PNG) and one raw map (.npy, float32),
and prints what the model predicts. Images are resized to the model's input; any other preparation of the training
images must have been applied before.
"""

import argparse
import sys
from pathlib import Path

from drcls.explain import METHODS, explain_folder
from drcls.files import printable


def main(arguments=None):
    options = parse(arguments)
    try:
        done = explain_folder(
            options.model, options.images, options.output, options.method, options.class_name
        )
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    for one in done["explained"]:
        probability = f"{one['explained']} {one['probability']:.3f}"
        print(printable(f"{one['image']}: {one['predicted']} ({probability}) -> {one['overlay']}"))
    for file, reason in done["broken"]:
        print(f"{file}: not explained: {reason}", file=sys.stderr)
    return 1 if done["broken"] else 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m drcls.explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=existing, help="a saved .keras model, or a run folder")
    parser.add_argument("images", type=existing, nargs="+", help="images, or folders of images")
    parser.add_argument("--method", choices=METHODS, default="grad_cam")
    parser.add_argument(
        "--class",
        dest="class_name",
        help="name or number of the class to explain; default: the predicted one",
    )
    parser.add_argument("--output", type=Path, default=Path("explained"))
    return parser.parse_args(arguments)


def existing(text):
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


if __name__ == "__main__":
    sys.exit(main())
