"""Real and synthetic training rows in two dimensions."""

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from drcls.models.embedding_classifier import NUM_NEIGHBOURS

MOST_ROWS = 1000


def smote_map(features, labels, class_names, num_components, seed):
    """Lay out training rows and the rows SMOTE makes of them, by t-SNE, as they reach the learners.

    Args:
        features: float32 (N, D), embeddings of the training part.
        labels: int (N,).
        class_names: list of str.
        num_components: int, principal components kept after scaling.
        seed: int.

    Returns:
        DataFrame with x, y, label and kind (`real` or `synthetic`), at most 1000 of each kind.
    """
    reduced = make_pipeline(StandardScaler(), PCA(num_components, random_state=seed)).fit_transform(features)
    rows, made = SMOTE(k_neighbors=NUM_NEIGHBOURS, random_state=seed).fit_resample(reduced, labels)
    rng = np.random.default_rng(seed)
    kinds = {"real": np.arange(len(labels)), "synthetic": np.arange(len(labels), len(rows))}
    chosen = {kind: rng.permutation(index)[:MOST_ROWS] for kind, index in kinds.items()}
    index = np.concatenate(list(chosen.values()))
    places = TSNE(random_state=seed, perplexity=min(30, len(index) // 4)).fit_transform(rows[index])
    return pd.DataFrame(
        {
            "x": places[:, 0],
            "y": places[:, 1],
            "label": np.array(class_names)[made[index]],
            "kind": np.repeat(list(chosen), [len(part) for part in chosen.values()]),
        }
    )
