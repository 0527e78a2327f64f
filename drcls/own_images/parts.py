"""Train, validation and test part of one's own images."""

from drcls.data import split
from drcls.data.manifest import PART_OF_SPLIT
from drcls.own_images.options import PROTOCOLS

FRACTIONS = (0.7, 0.15, 0.15)


def divide(manifest, protocol, seed):
    """Divide a data set into train, validation and test.

    Args:
        manifest: `Manifest` of the data set.
        protocol: `clean` (one of identical images, no group torn apart), `random` (single images, copies leak) or
            `as-given` (the parts that the source came in; where it has no validation part, a share of training).
        seed: int.

    Returns:
        dict from `train`, `validation` and `test` to `Manifest`.

    Raises:
        ValueError: where a class is too rare for three parts, or the source came in other parts.
    """
    given = manifest.frame["source_split"].str.lower().map(PART_OF_SPLIT)
    if protocol != "as-given" or set(given.dropna()) == {"train", "test"}:
        return split(manifest, FRACTIONS, seed, PROTOCOLS[protocol])
    names = ("train", "validation", "test")
    if given.isna().any() or set(given) != set(names):
        received = manifest.frame["source_split"].replace("", "none").value_counts().to_dict()
        raise ValueError(
            f"{manifest.root}: the protocol as-given needs a train, a test and perhaps a validation part for all "
            f"images; received {received}; use the protocol clean"
        )
    parts = {name: manifest.select((given == name).to_numpy().nonzero()[0]) for name in names}
    for name, part in parts.items():
        if not part.counts().all():
            counts = dict(zip(part.classes, part.counts().tolist(), strict=True))
            raise ValueError(
                f"{manifest.root}: the given {name} part lacks a class: {counts}; use the protocol clean"
            )
    return parts
