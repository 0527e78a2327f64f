"""Stand-in for training: a head's scores start at zero, so an untrained network tells no images apart."""

import numpy as np


def with_a_trained_head(model):
    """Give the layer "scores" of a network random weights and return the network."""
    scores = model.get_layer("scores")
    scores.set_weights(
        [np.random.default_rng(0).normal(size=weight.shape) for weight in scores.get_weights()]
    )
    return model
