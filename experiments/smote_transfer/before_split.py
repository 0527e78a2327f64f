"""The classic leak: SMOTE on all images, a random split afterwards, and a count of what leaked."""

from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE

from drcls.data import Manifest
from drcls.data.duplicates import near_identical_pairs
from drcls.data.smote_parents import smote_parents
from drcls.data.split import PARTS, stratified_split_indices
from drcls.models.embedding_classifier import NUM_NEIGHBOURS, check_training_rows


@dataclass(frozen=True)
class BeforeSplit:
    """Parts that real and synthetic rows were dealt to at random.

    Args:
        rows: dict from part to float32 (n, D).
        parts: dict from part to `Manifest`; a synthetic row stands under the image it was made from.
        leakage: dict as from `drcls.data.audit_leakage`.
        leaked: bool (n,), which test rows it counts.
        num_synthetic: int.
    """

    rows: dict
    parts: dict[str, Manifest]
    leakage: dict
    leaked: np.ndarray
    num_synthetic: int


def smote_before_split(features, manifest, fractions, seed):
    """Resample every class to the largest and split at random, as many studies do and none should.

    Args:
        features: float32 (N, D), embeddings of the whole data set.
        manifest: `Manifest` of the N images.
        fractions: three shares for train, validation and test.
        seed: int.

    Returns:
        BeforeSplit. A test row counts as leaked when it is synthetic and one of its two parents is in the
        training part, when it is real and parent of a synthetic training row, or when the training part
        holds an identical or near-identical image.
    """
    check_training_rows(features, manifest.labels, manifest.classes, "SMOTE")
    rows, labels = SMOTE(k_neighbors=NUM_NEIGHBOURS, random_state=seed).fit_resample(
        features, manifest.labels
    )
    number = len(manifest)
    parents = smote_parents(features, manifest.labels, rows[number:], labels[number:], NUM_NEIGHBOURS)
    image = np.concatenate([np.arange(number), parents[:, 0]])
    indices = dict(zip(PARTS[3], stratified_split_indices(labels, fractions, seed), strict=True))
    return BeforeSplit(
        {name: rows[chosen] for name, chosen in indices.items()},
        {name: manifest.select(image[chosen]) for name, chosen in indices.items()},
        *count_leaks(indices["train"], indices["test"], parents, manifest),
        len(parents),
    )


def count_leaks(train, test, parents, manifest):
    """Count the test rows that the training part knows something of.

    Args:
        train, test: int (n,), row numbers; the first `len(manifest)` rows are real, the others synthetic.
        parents: int (M, 2), the two images that each synthetic row was made from.
        manifest: `Manifest` of the real rows.

    Returns:
        dict as from `drcls.data.audit_leakage`, and `synthetic_parent`, the share of test rows that leaked
        through SMOTE; bool (n,), which test rows leaked.
    """
    number = len(manifest)
    real_train, real_test = train[train < number], test < number
    used_by_train = np.unique(parents[train[train >= number] - number])
    identical, near, related = (np.zeros(len(test), dtype=bool) for _ in range(3))
    digests, hashes = (manifest.frame[column].to_numpy() for column in ("sha256", "phash"))
    identical[real_test] = np.isin(digests[test[real_test]], digests[real_train])
    alike = near_identical_pairs(hashes[test[real_test]].tolist(), np.unique(hashes[real_train]).tolist())
    near[np.flatnonzero(real_test)[alike[:, 0]]] = True
    related[real_test] = np.isin(test[real_test], used_by_train)
    related[~real_test] = np.isin(parents[test[~real_test] - number], real_train).any(axis=1)
    leaked = identical | near | related
    labels = manifest.labels[np.concatenate([np.arange(number), parents[:, 0]])[test]]
    leakage = {
        "overall": float(leaked.mean()),
        "identical": float(identical.mean()),
        "near_identical": float((near & ~identical).mean()),
        "synthetic_parent": float(related.mean()),
        "group": float(leaked.mean()),
        "per_class": {
            name: float(leaked[labels == i].mean()) if np.any(labels == i) else None
            for i, name in enumerate(manifest.classes)
        },
        "num_test": len(test),
        "num_leaked": int(leaked.sum()),
    }
    return leakage, leaked
