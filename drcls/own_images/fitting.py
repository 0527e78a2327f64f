"""The training itself: a whole network on images, or a head on the embeddings of a frozen backbone."""

from pathlib import Path

import keras
import numpy as np

from drcls.data import Augmenter, Batches, Features, ImageCache
from drcls.models import attach_head, build_backbone, build_dense_head, cached_embeddings
from drcls.own_images.frozen import check_rows_of_smote, fit_logistic_regression, smote
from drcls.own_images.network import build_loss, build_network, resample
from drcls.own_images.progress import Progress
from drcls.runs import save_model
from drcls.train import compile_classifier, cosine_decay_with_warmup, train

WARMUP_SHARE = 0.1
WEIGHT_DECAY = 1e-4


def fit(config, manifest, parts, folder):
    """Train what the configuration asks for, save `model.keras`, and predict validation and test.

    Args:
        config: dict of `train_classifier`, with epochs and learning rate.
        manifest: `Manifest` of the data set.
        parts: dict of its parts, as divided.
        folder: Path of the run folder.

    Returns:
        dict of float32 (N, C) for `validation` and `test`; str, a note on what was kept.
    """
    keras.utils.set_random_seed(config["seed"])
    cache = ImageCache(manifest, config["image_size"])
    backbone = build_backbone(config["backbone"], config["image_size"], config["weights"])
    parts = parts | {"train": resample(parts["train"], config["sampler"], config["seed"])}
    if config["frozen"]:
        model, note = _fit_head(config, cache, manifest, backbone, parts, folder)
    else:
        model = build_network(backbone, manifest.classes, config["parts"], config["seed"])
        note = _fit_by_epochs(model, config, cache, parts, folder)
    save_model(model, folder / "model.keras")
    predicted = {}
    for name in ("validation", "test"):
        batches = Batches(cache, parts[name], config["batch_size"])
        predicted[name] = np.asarray(model.predict(batches, verbose=0), dtype=np.float32)
    return predicted, note


def check_beginning(config, parts):
    """Refuse what `fit` could not begin: a backbone that cannot be built, classes too small for SMOTE.

    Raises:
        ValueError, OSError: as `build_backbone`, and where a class has fewer than six training images.
    """
    build_backbone(config["backbone"], config["image_size"], config["weights"])
    if config["sampler"] == "smote":
        check_rows_of_smote(parts["train"])


def _fit_head(config, cache, manifest, backbone, parts, folder):
    """Train a head on embeddings and put it on the backbone."""
    backbone.trainable = False
    embeddings = cached_embeddings(cache, backbone, Path(config["backbone"]).stem)
    table = Features(embeddings, manifest.frame["path"])
    if config["head"] == "logistic_regression":
        head, chosen = fit_logistic_regression(
            table, parts, config["sampler"], config["loss"], config["seed"], config["protocol"]
        )
        note = "logistic regression, " + ", ".join(f"{name} {value}" for name, value in chosen.items())
        return attach_head(backbone, head), note
    if config["sampler"] == "smote":
        table, train_part = smote(table, parts["train"], config["seed"])
        parts = parts | {"train": train_part}
    head = build_dense_head(backbone.output_shape[-1], manifest.classes, seed=config["seed"])
    note = _fit_by_epochs(head, config, table, parts, folder)
    return attach_head(backbone, head), f"{note}, on embeddings"


def _fit_by_epochs(model, config, cache, parts, folder):
    """Train a network or a head with AdamW under a warmed-up cosine; keep the epoch that is best on validation."""
    augmentation = config["augmentation"]
    batches = Batches(
        cache,
        parts["train"],
        config["batch_size"],
        Augmenter(**augmentation) if augmentation else None,
        shuffle=True,
        seed=config["seed"],
    )
    schedule = cosine_decay_with_warmup(
        config["learning_rate"], config["epochs"] * len(batches), WARMUP_SHARE
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    compile_classifier(model, optimizer, build_loss(config["loss"], parts["train"].counts()))
    validation = Batches(cache, parts["validation"], config["batch_size"])
    best = train(model, batches, validation, folder, config["epochs"], callbacks=[Progress()], verbose=0)
    return f"best epoch {best} of {config['epochs']}"
