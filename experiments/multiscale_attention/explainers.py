"""The explainers of the multi-scale attention report: side by side, and held to account."""

import keras
import numpy as np
import pandas as pd

from drcls.data.image_ops import read_image, resize
from drcls.explain import (
    METHODS,
    MIN_PLACES,
    GradCAM,
    agreement,
    deletion_auc,
    energy_pointing_game,
    insertion_auc,
    overlay,
    pointing_game,
    randomisation_check,
)
from drcls.files import write_json
from drcls.models.saved import load_saved_model
from drcls.report import (
    Section,
    Table,
    explainer_grid,
    listing,
    read_predictions,
    select_runs,
    synthetic_label,
)

NETWORK = "MultiScaleAttention"
# The methods that the poster shows, side by side on the same images.
POSTER = ("lime", "grad_cam", "shap_partition")
# LIME and SHAP need seconds an image, too long for many in a quick look.
IMAGES_PER_CLASS = {"quick": 2, "short": 4, "full": 4}
NUM_CHECKED = 4
NAMES_ON_A_LAYER = ("grad_cam", "grad_cam_plus_plus", "score_cam")
ON_A_LAYER = tuple(METHODS[name] for name in NAMES_ON_A_LAYER)
TEXT = """All methods explain the score of the predicted class before the softmax, on the same test images, drawn
at random from each class. Only positive evidence is drawn and measured.

- Deletion: area under the probability while the hottest pixels are painted over, low is good. Insertion: the same
  while they appear in a blurred image, high is good. Random pixels stand beside them.
- Pointing game: the hottest pixel lies in a lesion or within 1/16 of the image's side. Mass: share of the heat
  inside the lesions. Both only where lesions are known, beside what chance scores.
- Shuffled weights: rank correlation with the maps of the same network after its weights were shuffled. A map that
  stays the same (above 0.5) does not show what was learned, and fails. Blank maps are left out."""


def explainers_section(folder, runs, manifest):
    """Explain the poster's network, of the lowest seed, under the clean protocol where it was trained."""
    if keras.backend.backend() != "tensorflow":
        text = "Not run: saliency maps need the TensorFlow backend; --report-only adds them there."
        return Section("Explainers", [text])
    finished = select_runs(runs, variant=NETWORK, finished=True)
    if not finished:
        return Section("Explainers", [f"{NETWORK} is not trained yet."])
    run = min(finished, key=lambda run: (run["protocol"] != "clean", run["seed"]))
    model = load_saved_model(run["folder"])
    chosen = choose_images(
        read_predictions(run).drop_duplicates("path", ignore_index=True), IMAGES_PER_CLASS[run["profile"]]
    )
    size = run["config"]["image_size"]
    images = np.stack([resize(read_image(manifest.root / path), size) for path in chosen["path"]])
    classes = [run["class_names"].index(name) for name in chosen["predicted"]]
    lesions = read_lesions(manifest, chosen["path"], size)
    heat_maps = {name: explain(model, images, classes) for name, explain in METHODS.items()}
    measured = {
        name: measure(model, images, classes, maps, lesions, METHODS[name])
        for name, maps in heat_maps.items()
    }
    random = np.random.default_rng(0).random(images.shape[:3])
    measured["random pixels"] = measure(model, images, classes, random, lesions, None)
    together = agreement(heat_maps)
    write_json(run["folder"] / "explainers.json", {"methods": measured, "agreement": together})
    first = {label: row for row, label in reversed(list(enumerate(chosen["label"])))}
    coarse, why = too_coarse(model)
    shown = [first[name] for name in run["class_names"] if name in first]
    figures = [
        draw(folder / "figures" / name, run, images, heat_maps, fine, chosen, lesions, shown, title)
        for name, methods, title in (
            ("poster.png", POSTER, "LIME, Grad-CAM and SHAP on the same images"),
            ("explainers.png", tuple(METHODS), "All explainers on the same images"),
        )
        if (fine := [method for method in methods if method not in coarse])
    ]
    caption = f"{NETWORK}, {run['data']}, {run['protocol']} protocol, {run['profile']} profile, seed {run['seed']}, "
    caption += f"{len(images)} test images; shuffled weights on {NUM_CHECKED}."
    caption = f"{synthetic_label([run])}{caption}"
    table = Table(as_text(measured), f"Explainers held to account. {caption}")
    agreeing = Table(agreement_table(together), f"Agreement: mean rank correlation of the maps. {caption}")
    return Section("Explainers", [TEXT, *why, *figures, table, agreeing])


def too_coarse(model):
    """Return which methods have maps too coarse to draw, and a list of the sentence that says so, or of nothing."""
    rows, columns = GradCAM(model).places
    if min(rows, columns) >= MIN_PLACES:
        return (), []
    return NAMES_ON_A_LAYER, [
        f"{listing(NAMES_ON_A_LAYER)} are not drawn and play no pointing game: the feature map has {rows} x {columns} "
        f"places, and {MIN_PLACES} x {MIN_PLACES} are needed to point at a lesion. Larger images give more."
    ]


def choose_images(predictions, per_class):
    """Draw up to `per_class` test images of each class, at random and not by their looks."""
    rng = np.random.default_rng(0)
    rows = []
    for _, group in predictions.groupby("label", sort=False):
        number = min(per_class, len(group))
        rows += rng.choice(group.index.to_numpy(), number, replace=False).tolist()
    return predictions.loc[rows].reset_index(drop=True)


def read_lesions(manifest, paths, size):
    """Return the lesion masks, bool (N, H, W), or None where lesions are unknown."""
    masks = manifest.root / "masks"
    if not masks.is_dir():
        return None
    files = [masks / path.rsplit("/", 1)[-1] for path in paths]
    return np.stack([resize(read_image(file), size)[..., 0] > 0 for file in files])


def measure(model, images, classes, maps, lesions, explain):
    """Hold one method to account: dict of float, None where it cannot be measured."""
    result = {
        "deletion": float(deletion_auc(model, images, maps, classes).mean()),
        "insertion": float(insertion_auc(model, images, maps, classes).mean()),
    }
    if lesions is not None:
        places = GradCAM(model).places if explain in ON_A_LAYER else None
        game = pointing_game(maps, lesions, tolerance=images.shape[1] / 16, places=places)
        mass = energy_pointing_game(maps, lesions)
        result |= {"pointing": game["rate"], "pointing_by_chance": game["chance_rate"]}
        result |= {"mass": mass["mass"], "mass_by_area": mass["by_area"]}
    if explain is not None:
        picked = np.linspace(0, len(images) - 1, NUM_CHECKED).round().astype(int)  # of several classes
        check = randomisation_check(model, images[picked], explain, np.asarray(classes)[picked])
        result |= {"shuffled_correlation": check["correlation"], "passed": check["passed"]}
        result |= {"blank": check["blank_before"], "blank_after_shuffling": check["blank_after"]}
    return result


def as_text(measured):
    """Return the table of all methods, every cell text."""

    def cell(value, percent=False):
        if value is None:
            return "not measured"
        return f"{100 * value:.1f} %" if percent else f"{value:.3f}"

    rows = []
    for name, result in measured.items():
        row = {"method": name, "deletion": cell(result["deletion"]), "insertion": cell(result["insertion"])}
        for key in ("pointing", "mass"):
            chance = result.get("pointing_by_chance" if key == "pointing" else "mass_by_area")
            row[f"{key} (chance)"] = (
                "no lesions known"
                if key not in result
                else f"{cell(result[key], True)} ({cell(chance, True)})"
            )
        correlation = result.get("shuffled_correlation")
        verdict = "passes" if result.get("passed") else "fails"
        if "shuffled_correlation" not in result:
            row["shuffled weights"] = "not applicable"
        elif correlation is None:
            row["shuffled weights"] = "every map is blank"
        else:
            row["shuffled weights"] = f"{correlation:.2f}: {verdict}"
        rows.append(row)
    return pd.DataFrame(rows)


def agreement_table(together):
    rows = [
        {"method": name} | {other: f"{r:.2f}" for other, r in row.items()} for name, row in together.items()
    ]
    return pd.DataFrame(rows)


def draw(path, run, images, heat_maps, methods, chosen, lesions, shown, title):
    """Draw the chosen images under the heat maps of some methods."""
    overlays = {name: np.stack([overlay(images[i], heat_maps[name][i]) for i in shown]) for name in methods}
    labels, predicted = (chosen[column][shown].tolist() for column in ("label", "predicted"))
    masks = None if lesions is None else lesions[shown]
    evidence = {name: heat_maps[name][shown].any(axis=(1, 2)) for name in methods}
    return explainer_grid(path, run, images[shown], overlays, labels, predicted, title, masks, evidence)
