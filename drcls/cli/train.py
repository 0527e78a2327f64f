"""Train a classifier on a prepared folder and measure it on its test part.

DATA is what drcls prepare wrote. RUN becomes a run folder: config.json env.json split.csv history.csv model.keras
predictions.csv metrics.json. The same command again reads a finished run, and goes on with an interrupted one.

examples:
  drcls train data/mine runs/plain
  drcls train data/mine runs/smote --frozen --sampler smote --head logistic_regression
"""

from pathlib import Path

from drcls.cli.arguments import (
    UsageError,
    as_usage_error,
    names,
    number_of_devices,
    positive_float,
    positive_int,
    prepared,
    seed_number,
)
from drcls.cli.results import describe_metrics
from drcls.own_images.options import (
    BACKBONES,
    CLASSIFIER_HEADS,
    LOSSES,
    PARTS,
    SAMPLERS,
    STRATEGY_OF_PROTOCOL,
    check_options,
)

AFTER_INTERRUPTION = "the same command goes on after the last finished epoch"
OF_EVERY_COMMAND = ("command", "json")  # all others are arguments of `train_classifier`


def add_arguments(parser):
    parser.add_argument("data", metavar="DATA", type=prepared, help="prepared folder")
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder to write")
    parser.add_argument(
        "--backbone",
        default="EfficientNetLite0",
        help="network to start from: a .keras file or one of "
        + ", ".join(BACKBONES)
        + " (default: %(default)s, "
        "whose weights come with the package; Keras downloads the others)",
    )
    parser.add_argument(
        "--weights", help="imagenet, none (random) or a file (default: imagenet for a named backbone)"
    )
    parser.add_argument(
        "--parts",
        type=names(*PARTS),
        default=[],
        help="layers before the classifier, separated by commas: cbam (attention), drop_block (regions left out "
        "while training), transformer (self-attention)",
    )
    parser.add_argument(
        "--loss",
        choices=LOSSES,
        default="cross_entropy",
        help="weighted: rare classes count more; balanced_softmax: corrected for the class frequencies; focal: images "
        "that are easy count less (default: %(default)s)",
    )
    parser.add_argument(
        "--sampler",
        choices=SAMPLERS,
        default="none",
        help="of the training part alone; over: repeat images of rare classes; under: leave out images of frequent "
        "ones; smote: make features of rare classes, with --frozen (default: %(default)s)",
    )
    parser.add_argument(
        "--frozen",
        action="store_true",
        help="leave the backbone as it is and train a classifier on its features, which is much faster",
    )
    parser.add_argument(
        "--head", choices=CLASSIFIER_HEADS, default="dense", help="that classifier (default: %(default)s)"
    )
    parser.add_argument(
        "--protocol",
        choices=STRATEGY_OF_PROTOCOL,
        default="clean",
        help="how the images are divided; clean: identical images once, groups and near-copies in one part; random: "
        "image by image, so copies leak; as-given: by the train and test folders of the source (default: %(default)s)",
    )
    parser.add_argument("--image-size", type=positive_int, help="side in pixels (default: as prepared)")
    parser.add_argument("--epochs", type=positive_int, help="default: by the number of training images")
    parser.add_argument("--learning-rate", type=positive_float, help="default: by what is trained")
    parser.add_argument("--batch-size", type=positive_int, default=32, help="default: %(default)s")
    parser.add_argument(
        "--no-augmentation", dest="augment", action="store_false", help="show training images as they are"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of everything random, the split too")
    parser.add_argument(
        "--devices",
        type=number_of_devices,
        default=1,
        help="GPUs to train on at once, or all; they divide each batch (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="train anew where RUN holds a run")


def run(options):
    """Train, and return the content of `metrics.json`."""
    _check(options)
    from drcls.own_images import train_classifier

    settings = {name: value for name, value in vars(options).items() if name not in OF_EVERY_COMMAND}
    return train_classifier(**settings) | {"run": str(options.folder)}


def _check(options):
    """Refuse what cannot be trained before Keras is imported, and devices that are not there."""
    with as_usage_error():
        check_options(
            options.parts,
            options.loss,
            options.sampler,
            options.frozen,
            options.head,
            options.protocol,
            options.devices,
            options.epochs,
            options.learning_rate,
        )
    if options.backbone not in BACKBONES and not Path(options.backbone).is_file():
        raise UsageError(
            f"--backbone {options.backbone}: no such file; expected a .keras file or one of {', '.join(BACKBONES)}"
        )
    if options.weights not in (None, "imagenet", "none") and not Path(options.weights).is_file():
        raise UsageError(f"--weights {options.weights}: no such file; expected imagenet, none or a file")
    from drcls.own_images.dividing import check_training

    with as_usage_error():
        check_training(options.data, options.folder, options.protocol, options.seed, options.image_size)
    from drcls.train import check_devices

    with as_usage_error("--devices: "):
        check_devices(options.devices, options.batch_size)


def describe(result):
    from drcls.data.leakage import describe_leakage

    head = f"{result['run']}: {result['note']}; {describe_leakage(result['leakage'])}"
    return "\n".join([head, describe_metrics(result)])
