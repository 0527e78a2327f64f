"""Where a model looked, and whether that is where the lesion is."""

from drcls.explain.faithfulness import pointing_game
from drcls.explain.grad_cam import GradCAM, grad_cam
from drcls.explain.overlay import overlay

__all__ = ["GradCAM", "grad_cam", "overlay", "pointing_game"]
