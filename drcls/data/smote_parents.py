"""Which two real rows a synthetic one lies between: what a leak of SMOTE consists of."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

CHUNK = 256
# Share of the segment's length that a point may lie off it; SMOTE computes in float32.
TOLERANCE = 1e-2
ROUNDING = 1e-4


def smote_parents(rows, labels, synthetic, synthetic_labels, num_neighbours=5):
    """Find the segment between two neighbours of one class on which each SMOTE point lies.

    SMOTE (Chawla et al. 2002) draws a point between a row and one of its nearest neighbours of the same class,
    and imbalanced-learn does not tell which. They are found again by geometry: of all such segments the one
    nearest to the point.

    Args:
        rows: float (N, D), what was resampled.
        labels: int (N,).
        synthetic: float (M, D), points that SMOTE made of them.
        synthetic_labels: int (M,).
        num_neighbours: int, as SMOTE was told.

    Returns:
        int64 (M, 2), indices into `rows`: the row and its neighbour.

    Raises:
        ValueError: where a point lies on no such segment.
    """
    parents = np.empty((len(synthetic), 2), dtype=np.int64)
    for label in np.unique(synthetic_labels):
        members, made = np.flatnonzero(labels == label), np.flatnonzero(synthetic_labels == label)
        starts, ends = _segments(rows[members].astype(np.float64), num_neighbours)
        for chunk in np.split(made, range(CHUNK, len(made), CHUNK)):
            points = synthetic[chunk].astype(np.float64)
            nearest = _nearest_segment(points, rows[members].astype(np.float64), starts, ends)
            parents[chunk] = np.stack([members[starts[nearest]], members[ends[nearest]]], axis=1)
    return parents


def _segments(rows, num_neighbours):
    """Return both ends of the segments from every row to its neighbours: int (N * k,), twice."""
    neighbours = NearestNeighbors(n_neighbors=num_neighbours + 1).fit(rows).kneighbors(rows)[1][:, 1:]
    return np.repeat(np.arange(len(rows)), neighbours.shape[1]), neighbours.ravel()


def _nearest_segment(points, rows, starts, ends):
    """Return for each point the number of the segment nearest to it: int (n,)."""
    directions = rows[ends] - rows[starts]
    lengths = np.maximum(np.square(directions).sum(axis=1), np.finfo(np.float64).tiny)
    from_start = np.square(points).sum(axis=1)[:, None] - 2 * points @ rows.T + np.square(rows).sum(axis=1)
    along = points @ directions.T - (rows[starts] * directions).sum(axis=1)
    share = np.clip(along / lengths, 0, 1)
    distance = from_start[:, starts] - 2 * share * along + share**2 * lengths
    nearest = distance.argmin(axis=1)
    off = np.sqrt(np.maximum(distance[np.arange(len(points)), nearest], 0))
    # Between identical rows the segment has no length, and the distance is what rounding leaves.
    allowed = TOLERANCE * np.sqrt(lengths[nearest]) + ROUNDING * np.sqrt(np.square(points).sum(axis=1))
    if np.any(off > allowed):
        worst = int((off - allowed).argmax())
        raise ValueError(
            f"a synthetic point lies {off[worst]:.3g} off the nearest segment of its class; expected at most "
            f"{allowed[worst]:.3g}"
        )
    return nearest
