"""Where a model looked, and whether that is where the lesion is."""

from drcls.explain.faithfulness import (
    MIN_PLACES,
    agreement,
    deletion_auc,
    energy_pointing_game,
    insertion_auc,
    pointing_game,
)
from drcls.explain.folders import explain_folder, predict_folder
from drcls.explain.grad_cam import GradCAM, grad_cam
from drcls.explain.lime import lime
from drcls.explain.methods import METHODS
from drcls.explain.overlay import overlay
from drcls.explain.randomisation import randomisation_check
from drcls.explain.shap import shap_gradient, shap_partition
from drcls.explain.tf_keras_vis import grad_cam_plus_plus, saliency, score_cam

__all__ = [
    "METHODS",
    "MIN_PLACES",
    "GradCAM",
    "agreement",
    "deletion_auc",
    "explain_folder",
    "grad_cam",
    "grad_cam_plus_plus",
    "insertion_auc",
    "lime",
    "energy_pointing_game",
    "overlay",
    "pointing_game",
    "predict_folder",
    "randomisation_check",
    "saliency",
    "score_cam",
    "shap_gradient",
    "shap_partition",
]
