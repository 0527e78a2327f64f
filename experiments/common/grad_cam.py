"""Where a trained row looks: its Grad-CAM grid, and the pointing game where lesions are known."""

from pathlib import Path

import numpy as np

from drcls.data.image_ops import read_image, resize
from drcls.explain import MIN_PLACES, GradCAM, overlay, pointing_game
from drcls.files import write_json
from drcls.metrics import wilson_interval
from drcls.models.saved import load_saved_model
from drcls.report import grad_cam_grid, interval, pick_hits_and_misses, read_predictions


def explain_run(run, manifest):
    """Draw the Grad-CAM grid of one run into its folder; play the pointing game where lesions are known.

    Args:
        run: a finished run of `read_runs` with its `model.keras`.
        manifest: the data set of its test images, a `Manifest`.

    Returns:
        (list of report parts, dict of the pointing game or {}): the figure and what must be said about it. A
        feature map with fewer than 4 x 4 places is too coarse to point at anything; it is neither drawn nor scored.
    """
    explainer = GradCAM(load_saved_model(run["folder"]))
    rows, columns = explainer.places
    if min(rows, columns) < MIN_PLACES:
        return [
            f"Grad-CAM of `{run['variant']}` is not drawn and not scored: its last feature map has {rows} x {columns} "
            f"places, and {MIN_PLACES} x {MIN_PLACES} are needed to point at a lesion. Larger images give more."
        ], {}
    predictions = read_predictions(run).drop_duplicates("path", ignore_index=True)
    size = run["config"]["image_size"]
    masks = manifest.root / "masks"
    if not masks.is_dir():
        chosen = pick_hits_and_misses(predictions["label"], predictions["predicted"], manifest.classes)
        predictions = predictions.iloc[chosen].reset_index(drop=True)
    images = np.stack([resize(read_image(manifest.root / path), size) for path in predictions["path"]])
    heat_maps = explainer(images)
    lesions, game = None, {}
    if masks.is_dir():
        files = [masks / Path(path).name for path in predictions["path"]]
        lesions = np.stack([resize(read_image(file), size)[..., 0] > 0 for file in files])
        game = pointing_game(heat_maps, lesions, tolerance=size / 16, places=(rows, columns))
        write_json(run["folder"] / "explain.json", {"pointing_game": game})
    picked = pick_hits_and_misses(predictions["label"], predictions["predicted"], manifest.classes)
    figure = grad_cam_grid(
        run["folder"] / "figures" / "grad_cam.png",
        run,
        images[picked],
        np.stack([overlay(images[i], heat_maps[i]) for i in picked]),
        predictions["label"][picked].tolist(),
        predictions["predicted"][picked].tolist(),
        f"Grad-CAM of {run['variant']}, {run['protocol']} protocol",
        None if lesions is None else lesions[picked],
        heat_maps[picked].any(axis=(1, 2)).tolist(),
    )
    return [figure], game if game.get("images") else {}


def pointing_row(run, game):
    """Return one row of a table of pointing games, as text: the hit rate beside that of a random pixel."""
    return {
        "variant": run["variant"],
        "protocol": run["protocol"],
        "hits": f"{game['hits']} of {game['images']}",
        "hit rate": f"{100 * game['rate']:.1f} %",
        "95 % interval (Wilson)": interval(wilson_interval(game["hits"], game["images"])),
        "maps of zeros, counted as misses": str(game["blank"]),
        "by chance (a random pixel)": f"{100 * game['chance_rate']:.1f} %",
    }
