"""A trained network on another data set, beside a control that learns from that data set itself.

A network that fails on other images may have learned nothing that carries over, or the images may have been damaged on
the way. The control tells the two apart: where features of the same prepared images separate the grades, the images
still show them.
"""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from drcls.data import Batches, ImageCache
from drcls.evaluate import evaluate, measure, predict
from drcls.files import write_json
from drcls.models import build_backbone, cached_embeddings
from drcls.models.saved import load_saved_model
from drcls.runs import check_same_images, write_split
from experiments.common.backbone import SHIPPED_BACKBONE

NUM_FOLDS, NUM_TREES = 5, 400
# Grades from the third on, "moderate", are the ones that a screening refers to a doctor.
FIRST_REFERRED = 2


def measure_elsewhere(folder, other, trained_on, config):
    """Test a trained row on every image of another data set with the same grades: `external-DATA.json`.

    Args:
        folder: Path of the row's run folder, with `model.keras`.
        other: `Manifest` of the other data set.
        trained_on: `Manifest` that the row was trained, chosen and tested on.
        config: dict with `image_size`, `batch_size` and `seed` of the row.

    Raises:
        SystemExit: as `check_other_data_set`.
        ValueError: where the row was tested before on other images of that name.
    """
    name = other.root.name
    target, home = folder / f"external-{name}.json", folder / f"external-{name}"
    if target.is_file():
        check_same_images(home, {"test": other}, "was tested on")
        return
    check_other_data_set(other, trained_on)
    cache = ImageCache(other, config["image_size"])
    probabilities = predict(load_saved_model(folder), Batches(cache, other, config["batch_size"]))
    row = {"data": name, "num_test": len(other), "class_names": other.classes}
    row |= {"preparation": other.info.get("preparation"), "trained_on": trained_on.info.get("preparation")}
    write_json(home / "dataset.json", other.info)
    write_split(home, {"test": other})
    row |= evaluate(other, probabilities, home, config["seed"])
    row["referred_auroc"] = referred_auroc(other, probabilities)
    write_json(target, row | {"control": positive_control(other, cache, config["seed"])})


def check_other_data_set(other, trained_on):
    """Refuse a data set that a network cannot be tested on.

    Args:
        other, trained_on: as for `measure_elsewhere`.

    Raises:
        SystemExit: where the classes differ, or the other data set holds images that were trained or chosen on.
    """
    name = other.root.name
    if other.classes != trained_on.classes:
        raise SystemExit(f"--external {name} has the classes {other.classes}, expected {trained_on.classes}")
    shared = len(set(other.frame["sha256"]) & set(trained_on.frame["sha256"]))
    if shared:
        raise SystemExit(f"--external {name} holds {shared} of the images that were trained or chosen on")


def positive_control(manifest, cache, seed):
    """Cross-validate a forest on a frozen ImageNet network's features of a data set.

    Args:
        manifest: `Manifest`; a patient's images stay in one fold.
        cache: its `ImageCache`.
        seed: int, of the folds and the forest.

    Returns:
        dict with `metrics` and `intervals` as from `measure`, `referred_auroc`, `num_folds` and what was trained; None
        where a class has fewer than two images, so that none would be left to learn from.
    """
    num_folds = min(NUM_FOLDS, int(manifest.counts().min()))
    if num_folds < 2:
        return None
    backbone = build_backbone(SHIPPED_BACKBONE, cache.size, "imagenet")
    probabilities = cross_val_predict(
        ExtraTreesClassifier(NUM_TREES, class_weight="balanced", random_state=seed, n_jobs=-1),
        np.asarray(cached_embeddings(cache, backbone, SHIPPED_BACKBONE)),
        manifest.labels,
        groups=manifest.frame["group"],
        cv=StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed),
        method="predict_proba",
    )
    what = f"{NUM_TREES} extra trees on frozen {SHIPPED_BACKBONE} features, {num_folds} folds of groups"
    measured = measure(manifest, probabilities, seed)
    return {
        "what": what,
        "num_folds": num_folds,
        "referred_auroc": referred_auroc(manifest, probabilities),
    } | measured


def referred_auroc(manifest, probabilities):
    """Return the area under the curve of "moderate or worse"; None where one of the two sides has no image."""
    referred = manifest.labels >= FIRST_REFERRED
    if referred.all() or not referred.any():
        return None
    return float(roc_auc_score(referred, probabilities[:, FIRST_REFERRED:].sum(axis=1)))
