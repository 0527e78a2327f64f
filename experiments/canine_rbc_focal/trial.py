"""One training of the focal-loss study, a trial of its grid: everything it needs is in its configuration."""

import functools
import shutil

import keras

from drcls.data import (
    Augmenter,
    Batches,
    ImageCache,
    class_weights,
    folds,
    load_manifest,
    oversample,
    split,
    subsample_to_majority_share,
    undersample,
)
from drcls.evaluate import predict
from drcls.files import write_json
from drcls.losses import FocalCrossentropy
from drcls.models import (
    build_backbone,
    build_tiny_densenet,
    build_tiny_resnet,
    build_transfer_classifier,
)
from drcls.runs import save_model, write_split
from drcls.train import compile_classifier, train, use_devices
from experiments.common.callbacks import StopAtRisingLoss
from experiments.common.run import IDENTITY, audit, run_variant

STRATEGIES = {"paper": "random", "clean": "grouped"}
TINY_NETWORKS = {
    "tiny_densenet": build_tiny_densenet,
    "tiny_resnet": build_tiny_resnet,
}
PREDICTION_BATCH = 64


def train_trial(config, folder, data, devices=1):
    """Train one network with one method, and measure it on a fold's validation part or on the test part.

    Args:
        config: dict, from `experiments.canine_rbc_focal.experiment.make_config`.
        folder: Path of the run folder.
        data: Path of the prepared data set.
        devices: int, that the network is trained on; the same for every trial of a process.
    """
    manifest = load_manifest(data)
    cache, parts = ImageCache(manifest, config["image_size"]), divide(config, manifest)
    if config["fold"] is None:
        measure_test(config, cache, parts, folder, devices)
    else:
        with use_devices(devices):
            validate_fold(config, cache, parts, folder)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)


def measure_test(config, cache, parts, folder, devices):
    """Train on the whole training part and measure on the test part."""

    def fit():
        model = fit_model(config, cache, parts["train"], None, folder)
        if config["save_model"]:
            save_model(model, folder / "model.keras")
        note = f"{config['epochs']} epochs; {model.count_params():,} weights"
        return predict(model, Batches(cache, parts["test"], PREDICTION_BATCH)), note

    run_variant(folder, config, parts, audit(parts, config["protocol"]), fit, devices=devices, locked=True)


def validate_fold(config, cache, parts, folder):
    """Train on the other folds; what is measured after every epoch is all that is kept."""
    validation = parts["validation"]
    write_split(folder, parts)
    stop = [StopAtRisingLoss(folder, config["patience"])] if "patience" in config else []
    fit_model(config, cache, parts["train"], validation, folder, stop)
    facts = config | {"phantom": bool(validation.info.get("phantom"))}
    identity = {key: facts[key] for key in IDENTITY}
    write_json(
        folder / "metrics.json", identity | {"fold": config["fold"], "num_validation": len(validation)}
    )


def divide(config, manifest):
    """The parts of the data set, thinned to the asked share of its largest class, as the protocol splits it.

    A fold is the validation part, and the training part what is left of it.
    """
    if config["majority_share"] is not None:
        manifest = subsample_to_majority_share(manifest, config["majority_share"], config["split_seed"])
    parts = split(manifest, config["fractions"], config["split_seed"], STRATEGIES[config["protocol"]])
    if config["fold"] is None:
        return parts
    keep_groups = config["protocol"] == "clean"
    pairs = folds(parts["train"], config["num_folds"], config["split_seed"], keep_groups=keep_groups)
    return parts | dict(zip(("train", "validation"), pairs[config["fold"]], strict=True))


def fit_model(config, cache, train_part, validation, folder, callbacks=()):
    """Section 4.2: Adam at a constant rate, a set number of epochs, the last one kept."""
    model = new_model(config, train_part)
    batches = training_batches(config, cache, train_part)
    held_out = None if validation is None else Batches(cache, validation, PREDICTION_BATCH)
    train(model, batches, held_out, folder, config["epochs"], None, callbacks)
    return model


def new_model(config, train_part):
    """A compiled network with the weights of its seed, and an optimizer that has not taken a step."""
    keras.config.set_dtype_policy(config["policy"])
    network = (config["backbone"], config["image_size"], tuple(train_part.classes), config["weights"])
    weights = initial_weights(network, config["seed"])
    alpha = tuple(class_weights(train_part.counts())) if config["alpha"] == "by class" else config["alpha"]
    model, unused = compiled(network, config["optimizer"], config["learning_rate"], alpha, config["gamma"])
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, unused, strict=True):
        variable.assign(value)
    keras.utils.set_random_seed(config["seed"])
    return model


@functools.lru_cache(maxsize=8)
def initial_weights(network, seed):
    """The weights that a network starts from with a seed; building a network takes as long as an epoch of it."""
    keras.utils.set_random_seed(seed)
    return build(*network).get_weights()


@functools.lru_cache(maxsize=32)
def compiled(network, optimizer, learning_rate, alpha, gamma):
    """Compile a network once for all the trials that share it: tracing takes longer than a small training."""
    model = build(*network)
    compile_classifier(model, getattr(keras.optimizers, optimizer)(learning_rate), loss_of(alpha, gamma))
    model.optimizer.build(model.trainable_variables)
    return model, [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]


def build(backbone, image_size, class_names, weights):
    """DenseNet-121 or ResNet-50 with a softmax, or one of their tiny networks."""
    if backbone in TINY_NETWORKS:
        return TINY_NETWORKS[backbone](image_size, class_names)
    extractor = build_backbone(backbone, image_size, weights)
    return build_transfer_classifier(extractor, class_names, dropout_rate=0.0)


def loss_of(alpha, gamma):
    """Eq. 1 or Eq. 4; an alpha for each class is our own addition, the weight of its rarity."""
    if gamma is None:
        return "categorical_crossentropy"
    return FocalCrossentropy(alpha, gamma)


def training_batches(config, cache, part):
    """As they are, thinned to the smallest class, or filled up to the largest by rotated and flipped copies."""
    augmenter = None
    if config["resampling"] == "under_sampling":
        part = undersample(part, config["seed"])
    elif config["resampling"] == "over_sampling":
        part = oversample(part, config["seed"])
        augmenter = Augmenter(
            rotation_range=15, horizontal_flip=True, vertical_flip=True, fill_mode="constant"
        )
    return Batches(
        cache,
        part,
        config["batch_size"],
        augmenter,
        shuffle=True,
        seed=config["seed"],
        augment_duplicates_only=True,
    )
