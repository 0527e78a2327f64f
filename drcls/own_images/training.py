"""From a prepared folder to a trained and measured classifier in a run folder."""

import hashlib
import json
import math
import time
from pathlib import Path

from drcls.data import audit_leakage, load_manifest
from drcls.data.audit import audit
from drcls.data.leakage import describe_leakage
from drcls.environment import environment
from drcls.files import read_json, remove_partial, write_json
from drcls.own_images.dividing import check_size, count_given_test_images, divide, prepared_size
from drcls.own_images.evaluation import discard_evaluations
from drcls.own_images.fitting import check_beginning, fit
from drcls.own_images.measuring import measure_classifier
from drcls.own_images.options import check_options
from drcls.predictions import write_predictions
from drcls.runs import (
    check_run_folder,
    discard_run,
    is_current,
    sole_user,
    with_file_digests,
    write_split,
)
from drcls.train import check_devices, trained_seconds, use_devices

BATCH_SIZE = 32
AUGMENTATION = {"rotation_range": 20, "zoom_range": 0.1, "horizontal_flip": True}
# What of `dataset.json` the images and labels depend on.
FACTS = ("name", "classes", "ordered", "preparation", "phantom", "sample")
# Optimizer steps that a training makes where the number of epochs is left open, and the fewest and most epochs.
STEPS = {False: (1500, 5, 40), True: (400, 10, 30)}
# Largest learning rate by what is trained: pretrained weights are changed more carefully than new ones.
LEARNING_RATE = {"pretrained": 3e-4, "random": 1e-3, "frozen": 1e-3}


def train_classifier(
    data,
    folder,
    backbone="EfficientNetLite0",
    weights=None,
    parts=(),
    loss="cross_entropy",
    sampler="none",
    frozen=False,
    head="dense",
    image_size=None,
    epochs=None,
    learning_rate=None,
    batch_size=BATCH_SIZE,
    augment=True,
    protocol="clean",
    seed=0,
    force=False,
    devices=1,
):
    """Train a classifier and measure it on its test part.

    Called again with the same settings, a finished run is read and an interrupted one goes on after its last
    finished epoch.

    Args:
        data: path of a prepared folder.
        folder: the run folder; `config.json env.json dataset.json audit.json split.csv history.csv model.keras
            predictions.csv validation_predictions.csv metrics.json` are written there.
        backbone: a name of `drcls.models.BACKBONES` or the path of a saved `.keras` feature extractor.
        weights: "imagenet", "none" (random) or a file; None: "imagenet" for a named backbone.
        parts: names among "cbam", "drop_block" and "transformer", put between the backbone and its head.
        loss: "cross_entropy", "weighted" (by class), "balanced_softmax" or "focal".
        sampler: "none", "over", "under", or "smote" with a frozen backbone; on the training part alone.
        frozen: bool, train a head on the embeddings of the backbone, which are computed once.
        head: "dense", or with a frozen backbone "logistic_regression".
        image_size: int, side in pixels; None: as prepared.
        epochs, learning_rate: None: chosen by the size of the training part and by what is trained.
        batch_size: int.
        augment: bool, turn, zoom and mirror training images; nothing is done to images of a frozen backbone.
        protocol: "clean" (one of identical images, no group torn apart), "random" (single images, copies leak) or
            "as-given" (the parts that the source came in; where it has no validation part, whole groups of training).
        seed: int, of split, initial weights, order, augmentation and bootstrap.
        force: bool, train anew where the folder holds a run.
        devices: int or "all", that the network is trained on at once (`drcls.train.use_devices`); no part of what
            the run is, so that it goes on with another number.

    Returns:
        dict, the content of `metrics.json`: `metrics`, `intervals`, `leakage` and what the run was.

    Raises:
        ValueError: on options that do not go together, a folder that holds a run of other settings or something
            else, or that another process trains in, and data that cannot be divided.
        FileNotFoundError: where the folder is not prepared or weights are missing.
        FloatingPointError: where the loss is no longer finite.

    Example:
        metrics = train_classifier("data/cells", "runs/balanced", loss="balanced_softmax")["metrics"]
    """
    parts, folder, backbone = sorted(parts), Path(folder), str(backbone)
    check_options(parts, loss, sampler, frozen, head, protocol, devices, epochs, learning_rate)
    devices = check_devices(devices, batch_size)
    check_run_folder(folder)
    manifest = load_manifest(data)
    asked = {"protocol": protocol, "seed": seed, "backbone": backbone, "weights": weights, "parts": parts}
    asked |= {"loss": loss, "sampler": sampler, "frozen": frozen, "head": head}
    asked |= {"image_size": image_size, "batch_size": batch_size}
    config = _config(Path(data), folder, manifest, asked, augment)
    divided = divide(manifest, protocol, seed)
    config |= _schedule(config, len(divided["train"]), epochs, learning_rate)
    check_size(manifest, config["image_size"])
    if force or not is_current(folder, with_file_digests(config)):
        with sole_user(folder):
            _train_alone(manifest, config, divided, folder, devices, force)
    return read_json(folder / "metrics.json")


def _train_alone(manifest, config, parts, folder, devices, force):
    """Train in a folder that no other process uses: anew, or unless another one has finished the run by now."""
    if force:
        check_beginning(config, parts)  # before a finished run is deleted for it
        discard_evaluations(folder)
        discard_run(folder)
    if not is_current(folder, with_file_digests(config)):
        _train(manifest, config, parts, folder, devices)


def _config(data, folder, manifest, asked, augment):
    """Everything a run depends on but its schedule, as `config.json`; `asked` are the arguments that it records."""
    from_file = asked["backbone"].endswith(".keras")
    return {
        "variant": folder.name,
        "data": manifest.info.get("name", data.name),
        "data_fingerprint": _fingerprint(data, manifest),
        "phantom": bool(manifest.info.get("phantom", False)),
        "preparation": manifest.info.get("preparation"),
        "profile": "own",
        **asked,
        "weights": str(asked["weights"] or ("none" if from_file else "imagenet")),
        "image_size": asked["image_size"] or prepared_size(manifest),
        "augmentation": AUGMENTATION if augment and not asked["frozen"] else None,
    }


def _train(manifest, config, parts, folder, devices):
    """Audit, train, measure and record; `metrics.json` is written last."""
    started = time.monotonic() - trained_seconds(folder)
    remove_partial(folder)
    write_json(folder / "config.json", with_file_digests(config))  # first: it says that the folder is a run's
    found = audit(manifest)
    leakage = audit_leakage(parts["train"], parts["test"])
    print(_describe_pairs(found))
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    print(f"{config['protocol']} split: {sizes} images; {describe_leakage(leakage)}")
    if (given := count_given_test_images(parts["train"])) and config["protocol"] != "as-given":
        print(
            f"the parts that {manifest.root} came in are not used: {given} of its test images are trained on; "
            "--protocol as-given keeps them"
        )
    if config["protocol"] == "clean" and leakage["group"] > 0:
        raise RuntimeError(f"the clean split must not leak, but {leakage['group']:.2%} of the test images do")
    write_json(folder / "dataset.json", manifest.info)
    write_json(folder / "audit.json", found)
    write_split(folder, parts)
    with use_devices(devices):
        probabilities, note = fit(config, manifest, parts, folder)
    validation = parts["validation"], probabilities["validation"]
    measured = measure_classifier(parts["test"], probabilities["test"], validation, config["seed"])
    write_predictions(folder / "predictions.csv", parts["test"], probabilities["test"])
    write_predictions(folder / "validation_predictions.csv", *validation)
    write_json(folder / "env.json", environment(time.monotonic() - started, devices))
    identity = {key: config[key] for key in ("variant", "data", "phantom", "protocol", "profile", "seed")}
    recorded = {
        "part": "test",
        "num_test": len(parts["test"]),
        "class_names": manifest.classes,
        "ordered": manifest.ordered,
        "leakage": leakage,
        "note": note,
    }
    write_json(folder / "metrics.json", identity | measured | recorded)


def _describe_pairs(found):
    """Say in one line what the audit found; `audit.json` lists it."""
    counts = [f"{pairs['pairs']} {kind}" for kind, pairs in found["pairs"].items()]
    conflicting = sum(pairs["conflicting"] for pairs in found["pairs"].values())
    return f"audit: pairs of images: {', '.join(counts)}; {conflicting} with conflicting labels"


def _schedule(config, num_images, epochs, learning_rate):
    """Epochs and learning rate, where they were left open: by the number of images and by what is trained."""
    steps, fewest, most = STEPS[config["frozen"]]
    chosen = math.ceil(steps / math.ceil(num_images / config["batch_size"]))
    is_random = config["weights"] == "none" and not config["backbone"].endswith(".keras")
    kind = "frozen" if config["frozen"] else "random" if is_random else "pretrained"
    return {
        "epochs": epochs or min(max(chosen, fewest), most),
        "learning_rate": learning_rate or LEARNING_RATE[kind],
    }


def _fingerprint(folder, manifest):
    """What tells one state of a prepared folder from another: its images and labels, not its title or licence."""
    content = (folder / "manifest.csv").read_bytes()
    facts = {name: manifest.info.get(name) for name in FACTS}
    return hashlib.sha256(content + json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
