"""Features in the place of images, where a backbone is not trained."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Features:
    """One feature vector or map for each image of a data set: what `Batches` asks of an `ImageCache`.

    Args:
        images: float32 (N, D) or (N, h, w, C), one for each of `paths`.
        paths: pandas.Series of str, the `path` column of the manifest that they belong to.
    """

    images: np.ndarray
    paths: pd.Series

    def rows(self, part):
        """Return where the rows of a part lie in `images`, int64 (len(part),).

        Raises:
            KeyError: where the part names an image that is not among `paths`.
        """
        return find_rows(self.paths, part, "the features")


def find_rows(paths, part, holder):
    """Return where the images of a part lie among `paths`, int64 (len(part),).

    Args:
        paths: pandas.Series of str, without two that are equal.
        part: `Manifest`.
        holder: str, what holds the images, for an error.

    Raises:
        KeyError: where the part names another image.
    """
    asked = part.frame["path"]
    rows = pd.Index(paths).get_indexer(asked)
    unknown = asked[rows < 0]
    if len(unknown):
        raise KeyError(f"{holder} does not hold {len(unknown)} images of the part, first {unknown.iloc[0]!r}")
    return rows
