"""All methods by name: explain(model, images, class_index) -> float32 (N, H, W)."""

from drcls.explain.grad_cam import grad_cam
from drcls.explain.lime import lime
from drcls.explain.shap import shap_gradient, shap_partition
from drcls.explain.tf_keras_vis import grad_cam_plus_plus, saliency, score_cam

METHODS = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "score_cam": score_cam,
    "saliency": saliency,
    "lime": lime,
    "shap_gradient": shap_gradient,
    "shap_partition": shap_partition,
}
