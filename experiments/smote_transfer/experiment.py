"""SMOTE on the embeddings of pretrained backbones, with classical learners, on two data sets.

Paper: "Enhancing Transfer Learning for Medical Image Classification with SMOTE: A Comparative Study", Alam, Roy,
Kawsar and Rimi; only its abstract is at hand.

    make reproduce-smote-transfer                            synthetic fundus and brain images, minutes on two cores
    make reproduce-smote-transfer DATA=aptos2019 PROFILE=short
                                                             the shipped backbone at 224 px on a CPU
    make reproduce-smote-transfer PROFILE=full  WEIGHTS=imagenet
                                                             the five backbones of the paper

Printed for diabetic retinopathy: SMOTE adds 1.97 points of accuracy, 5.43 of sensitivity and
0.72 of specificity. Left open by the abstract and chosen here: the learners and their hyperparameters
(drcls/models/embedding_classifier.py), 64 principal components, the split. A seed decides split, resampling and
learners. Hyperparameters are chosen by cross-validation on the training rows, for each resampling with itself inside
the folds; the quick profile chooses them once, without resampling. A row of the tables is a backbone with one
resampling; its headline is soft voting, and all learners are in `learners.json`. Measured figures:
experiments/results/.
"""

import argparse
import hashlib
import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from data_prep.phantoms.brain import write_brain
from data_prep.phantoms.fundus import write_fundus
from drcls.data import ImageCache, split
from drcls.data.holdout_guard import row_fingerprints
from drcls.evaluate import measure
from drcls.files import read_json, write_csv, write_json, write_text
from drcls.models import (
    LEARNERS,
    RESAMPLERS,
    build_embedding_classifier,
    build_transfer_classifier,
    cached_embeddings,
    choose_hyperparameters,
)
from drcls.models.embedding_classifier import VOTERS, WITHOUT_CLASS_WEIGHTS, check_training_rows
from drcls.models.saved import load_saved_model
from drcls.runs import check_same_preparation, is_current, with_file_digests
from experiments.common.backbone import (
    SHIPPED_BACKBONE,
    backbone_file,
    named_weights,
    open_backbone,
    starting_weights,
)
from experiments.common.callbacks import watch
from experiments.common.controls import CONTROLS, run_controls
from experiments.common.data import acquire
from experiments.common.options import make_parser, resolve_options
from experiments.common.run import audit, check_rows, identity, run_set_name, run_variant
from experiments.common.training import train_and_predict
from experiments.smote_transfer.before_split import smote_before_split
from experiments.smote_transfer.embedding_map import smote_map
from experiments.smote_transfer.report import write_smote_transfer_report

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = {"fundus_phantom": write_fundus, "brain_phantom": write_brain}

CONFIG = {
    "fractions": (0.7, 0.1, 0.2),
    "num_components": 64,
    "batch_size": 16,
    "augmentation": {"rotation_range": 30, "horizontal_flip": True, "zoom_range": 0.1},
    "warmup_share": 0.05,
    "monitor": "val_accuracy",
}
PROFILES = {
    "quick": {
        "image_size": 64,
        "epochs": 4,
        "learning_rate": 1e-3,
        "tuned_for_each": False,
        "backbones": [SHIPPED_BACKBONE],
    },
    "short": {
        "image_size": 224,
        "epochs": 4,
        "learning_rate": 3e-4,
        "tuned_for_each": True,
        "backbones": [SHIPPED_BACKBONE],
    },
    "full": {
        "image_size": 224,
        "epochs": 20,
        "learning_rate": 3e-4,
        "tuned_for_each": True,
        "backbones": ["MobileNet", "Xception", "InceptionV3", "ResNet50", "DenseNet201"],
    },
}
# The paper's data sets, and what stands in for each.
DATA_SETS = {"aptos2019": "fundus_phantom", "brain_tumor_mri": "brain_phantom"}

# Our rows. The paper's baseline is a backbone trained to the end, its proposal SMOTE on embeddings.
FINE_TUNED, LEAKY = "fine_tuned", "SMOTE_before_split"
# What imbalanced-learn says where classes are balanced, or not a neighbour is of another class.
NOTHING_TO_ADAPT = re.compile("No samples will be generated|Not any neigbours belong to the majority class")
VARIANTS = [*CONTROLS, *RESAMPLERS, LEAKY, FINE_TUNED, "fine_tuned+none", "fine_tuned+SMOTE"]


def main(arguments=None):
    for options in parse(arguments):
        run_set = ROOT / options.runs / "smote_transfer"
        manifest = acquire(ROOT / "data" / options.data, STAND_INS)
        if not options.report_only:
            run_all(options, manifest, run_set)
        page = write_smote_transfer_report(run_set, manifest, options.data, options.profile)
        print(f"report: {page}")


def run_all(options, manifest, run_set):
    """Every backbone and resampling under every protocol."""
    cache = ImageCache(manifest, PROFILES[options.profile]["image_size"])
    for protocol in options.protocols:
        parts = split(manifest, CONFIG["fractions"], options.seed, split_strategy(manifest, protocol))
        leakage = audit(parts, protocol)
        folder = run_set / run_set_name(options.data, protocol, options.profile, options.seed)
        own_split = [place.name for place in folder.glob(f"*+{LEAKY}")]
        forced = [
            f"{Path(backbone).stem}+{name}" for backbone in backbones(options) for name in options.models
        ]
        check_rows(folder, parts, own_split + (forced + options.models if options.force else []))
        row = identity(options, protocol) | {"fractions": CONFIG["fractions"]}
        run_controls(options.models, row, parts, leakage, folder, options.force)
        for backbone in backbones(options):
            for variant in (name for name in options.models if name not in CONTROLS):
                config = make_config(variant, options, protocol, backbone, cache)
                if variant != LEAKY:
                    run(config, cache, parts, leakage, folder, options)
                elif protocol == "paper":
                    run_before_split(config, cache, manifest, folder, options.force)
                else:
                    print(f"{LEAKY} leaks by design: the clean protocol has no such row")


def run(config, cache, parts, leakage, folder, options):
    """One row of the table."""

    def fit():
        if config["row"] == FINE_TUNED:
            return fine_tune(config, cache, parts, folder, options.tensorboard)
        return fit_on_embeddings(config, cache, parts, folder)

    devices = options.devices if config["row"] == FINE_TUNED else 1
    try:
        run_variant(folder / config["variant"], config, parts, leakage, fit, options.force, devices)
    except NotPossible as reason:
        write_text(folder / config["variant"] / "not_possible.txt", f"{reason}\n")
        print(f"{config['variant']} is not possible: {reason}")


class NotPossible(Exception):
    """A row that cannot exist on these data; the other rows can."""


def split_strategy(manifest, protocol):
    """An official split is kept, and made clean; where there is none, images are split here."""
    official = manifest.frame["source_split"].ne("").all()
    return {
        ("paper", True): "official",
        ("clean", True): "official_grouped",
        ("paper", False): "random",
        ("clean", False): "grouped",
    }[protocol, bool(official)]


def backbones(options):
    """The saved extractor where one is named, else the profile's."""
    return [options.backbone] if options.backbone else PROFILES[options.profile]["backbones"]


def make_config(variant, options, protocol, backbone, cache):
    """Everything a run depends on, as `config.json`."""
    profile = PROFILES[options.profile]
    return {
        "variant": f"{Path(backbone).stem}+{variant}",
        **identity(options, protocol),
        "image_size": cache.size,
        "epochs": options.epochs or profile["epochs"],
        "learning_rate": profile["learning_rate"],
        "backbone": str(backbone),
        "weights": starting_weights(str(backbone), options.weights),
        "row": variant,
        "resampling": {LEAKY: "none", FINE_TUNED: None}.get(variant, variant.split("+")[-1]),
        "tuned_with_resampling": profile["tuned_for_each"],
        "engine": options.engine,
        **CONFIG,
    }


def fit_on_embeddings(config, cache, parts, folder):
    """Fit every learner on the training part's embeddings with one resampling; soft voting is the headline."""
    features = embeddings(config, cache, folder)
    rows = {name: features[cache.rows(part)] for name, part in parts.items()}
    train = rows["train"], parts["train"].labels, parts["train"].frame["group"].to_numpy()
    # Identical files have identical embeddings: only a clean test part can be kept from `fit`.
    holdout = row_fingerprints(rows["test"]) if config["protocol"] == "clean" else frozenset()
    check_training_rows(*train[:2], parts["train"].classes, config["resampling"])
    try:
        hyperparameters = choose(config, *train, holdout, folder)
        probabilities = fit_learners(config, *train[:2], rows["test"], holdout, hyperparameters)
    except (ValueError, RuntimeError) as error:
        if config["resampling"] == "ADASYN" and NOTHING_TO_ADAPT.search(str(error)):
            raise NotPossible(f"ADASYN makes no row of these classes: {error}") from error
        raise
    keep_learners(folder / config["variant"], parts["test"], probabilities, config["seed"])
    if config["resampling"] == "SMOTE":
        places = smote_map(*train[:2], parts["train"].classes, config["num_components"], config["seed"])
        write_csv(folder / config["variant"] / "embedding_map.csv", places)
    return probabilities["soft_voting"], "soft voting of " + ", ".join(VOTERS)


def fine_tune(config, cache, parts, folder, tensorboard=False):
    """The baseline of transfer learning: the backbone trained to the end on the training part."""
    backbone = open_backbone(config, config["image_size"])
    model = build_transfer_classifier(backbone, parts["train"].classes)
    run_folder = folder / config["variant"]
    callbacks = watch(run_folder, tensorboard)
    probabilities, best = train_and_predict(
        model, "categorical_crossentropy", config, cache, parts, run_folder, callbacks
    )
    return probabilities, f"best epoch {best} of {config['epochs']}"


def embeddings(config, cache, folder):
    """Embeddings of the whole data set under the frozen or the fine-tuned backbone."""
    name = Path(config["backbone"]).stem
    if config["row"].startswith(FINE_TUNED):
        trained = folder / f"{name}+{FINE_TUNED}" / "model.keras"
        if not trained.is_file():
            raise SystemExit(f"{trained} does not exist; add {FINE_TUNED} to --models, before its embeddings")
        model = load_saved_model(trained)
        backbone = keras.Model(model.inputs[0], model.get_layer("features").output)
        name = f"{name}-{FINE_TUNED}"
    else:
        keras.utils.set_random_seed(0)  # random weights too are the same for every row
        backbone = open_backbone(config, config["image_size"])
    name = f"{name}-onnx" if config["engine"] == "onnx" else name
    return cached_embeddings(cache, backbone, name, engine=config["engine"])


def choose(config, features, labels, groups, holdout, folder):
    """Hyperparameters of every learner, for a split and a kind of embedding: with the resampling, or without any."""
    kind = "frozen" if config["row"] in RESAMPLERS else config["row"].split("+")[0]
    resampling = config["resampling"] if config["tuned_with_resampling"] else "none"
    file = folder / f"{Path(config['backbone']).stem}-{kind}-{resampling}-hyperparameters.json"
    grids = {learner: LEARNERS[learner][1] for learner in learners(resampling)}
    made_from = hashlib.sha256(features.tobytes() + labels.tobytes() + repr(grids).encode()).hexdigest()
    if file.is_file() and read_json(file).get("made_from") == made_from:
        return read_json(file)["chosen"]
    chosen = {}
    for learner in grids:
        print(f"choosing the hyperparameters of {learner}, resampling: {resampling}")
        classifier = build_embedding_classifier(
            learner, resampling, config["seed"], config["num_components"], holdout
        )
        chosen[learner] = choose_hyperparameters(
            classifier, learner, features, labels, groups, config["seed"]
        )
    write_json(file, {"made_from": made_from, "chosen": chosen})
    return chosen


def learners(resampling):
    """The learners that a resampling can be used with."""
    without = WITHOUT_CLASS_WEIGHTS if resampling == "class_weights" else ()
    return [learner for learner in LEARNERS if learner not in without]


def fit_learners(config, features, labels, test, holdout, hyperparameters):
    """Fit every learner and predict the test rows: dict from name to float32 (N, C), soft voting last."""
    probabilities = {}
    for learner in learners(config["resampling"]):
        classifier = build_embedding_classifier(
            learner,
            config["resampling"],
            config["seed"],
            config["num_components"],
            holdout,
            hyperparameters[learner],
        )
        classifier.fit(features, labels)
        probabilities[learner] = classifier.predict_proba(test).astype(np.float32)
        print(f"{config['variant']}: {learner} fitted")
    probabilities["soft_voting"] = np.mean([probabilities[name] for name in VOTERS], axis=0)
    return probabilities


def keep_learners(folder, part, probabilities, seed):
    """Measure every learner: `learners.json`, and what each predicted, `learners.csv`."""
    write_json(
        folder / "learners.json",
        {name: measure(part, values, seed) for name, values in probabilities.items()},
    )
    names = np.array(part.classes)
    predicted = {name: names[values.argmax(axis=1)] for name, values in probabilities.items()}
    write_csv(
        folder / "learners.csv",
        pd.concat([part.frame[["path", "label", "group"]], pd.DataFrame(predicted)], axis=1),
    )


def run_before_split(config, cache, manifest, folder, force):
    """SMOTE on the whole data set and a split afterwards: the classic leak, in a row of its own."""
    target = folder / config["variant"]
    if not force and is_current(target, with_file_digests(config)):
        check_images(target, manifest)
        print(f"{config['variant']} is finished")
        return
    features = embeddings(config, cache, folder)[cache.rows(manifest)]
    made = smote_before_split(features, manifest, config["fractions"], config["seed"])
    print(f"SMOTE before the split: {made.leakage['overall']:.1%} of the test rows leaked")

    def fit():
        train, test = made.rows["train"], made.rows["test"]
        labels, groups = made.parts["train"].labels, made.parts["train"].frame["group"].to_numpy()
        hyperparameters = choose(config, train, labels, groups, frozenset(), folder)
        probabilities = fit_learners(config, train, labels, test, frozenset(), hyperparameters)
        keep_learners(folder / config["variant"], made.parts["test"], probabilities, config["seed"])
        return probabilities["soft_voting"], f"{made.num_synthetic} synthetic rows, then split"

    run_variant(target, config, made.parts, made.leakage, fit, force, leaked=made.leaked)


def check_images(folder, manifest):
    """Refuse a finished row of SMOTE before the split that was made of other images.

    Its split is of rows that only embeddings give; every image stands in it, and that is compared.

    Raises:
        ValueError: where the data set holds other images or labels now.
    """
    check_same_preparation(folder, manifest.info, "was trained on")
    columns = ["path", "label", "group", "sha256"]
    dealt = pd.read_csv(folder / "split.csv", dtype=str, keep_default_na=False)[columns].drop_duplicates()
    if set(dealt.itertuples(index=False, name=None)) != set(
        manifest.frame[columns].astype(str).itertuples(index=False, name=None)
    ):
        raise ValueError(
            f"{folder} was trained on other images or labels than {manifest.root} holds now; prepare the data set as "
            "it was, choose another folder for the runs, or train anew with --force"
        )


def parse(arguments):
    """Return the options of one data set after the other."""
    parser = make_parser(__doc__, PROFILES, ", ".join([*DATA_SETS, *DATA_SETS.values()]))
    parser.add_argument("--weights", type=named_weights, default="none", help="none or imagenet")
    parser.add_argument(
        "--backbone", type=backbone_file, help="a saved Keras feature extractor, instead of the profile's"
    )
    parser.add_argument(
        "--engine", default="keras", choices=["keras", "onnx"], help="what computes embeddings"
    )
    given = parser.parse_args(arguments)
    resolved = []
    for prepared, phantom in DATA_SETS.items():
        options = argparse.Namespace(**vars(given))
        resolve_options(options, ROOT / "data" / prepared, phantom, lambda _: VARIANTS, VARIANTS)
        resolved.append(options)
        if given.data != "auto":
            break
    return resolved
