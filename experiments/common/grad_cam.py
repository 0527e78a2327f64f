"""Where a trained row looks: its Grad-CAM grid, and the pointing game where lesions are known."""

from pathlib import Path

import keras
import numpy as np

from drcls.data.image_ops import read_image, resize
from drcls.explain import grad_cam, overlay, pointing_game
from drcls.report import grad_cam_grid, pick_hits_and_misses, read_predictions
from drcls.runs import write_json


def explain_run(run, manifest):
    """Draw the Grad-CAM grid of one run into its folder; play the pointing game where lesions are known."""
    model = keras.models.load_model(run["folder"] / "model.keras", compile=False)
    predictions = read_predictions(run).drop_duplicates("path", ignore_index=True)
    size = run["config"]["image_size"]
    masks = manifest.root / "masks"
    if not masks.is_dir():
        chosen = pick_hits_and_misses(predictions["label"], predictions["predicted"], manifest.classes)
        predictions = predictions.iloc[chosen].reset_index(drop=True)
    images = np.stack([resize(read_image(manifest.root / path), size) for path in predictions["path"]])
    heat_maps = grad_cam(model, images)
    lesions, game = None, {}
    if masks.is_dir():
        files = [masks / Path(path).name for path in predictions["path"]]
        lesions = np.stack([resize(read_image(file), size)[..., 0] > 0 for file in files])
        game = pointing_game(heat_maps, lesions, tolerance=size / 16)
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
    )
    return figure, game
