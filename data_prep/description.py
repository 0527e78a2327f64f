"""What `dataset.json` says of the prepared images: counts, how they fit the publication's, duplicates."""

from collections import Counter

from drcls.data.duplicates import conflicting, find_duplicates


def describe_sample(data_set, number):
    """Say what a sample is and what its figures are good for; reports repeat this as it is."""
    return (
        f"A sample of real images: {number} {data_set.sample}. Licence: {data_set.licence}. Figures from so few "
        "images show how the software behaves. They are not comparable with the paper's."
    )


def count_by_class(data_set, labels):
    return {name: int((labels == name).sum()) for name in data_set.classes}


def count_groups(kept):
    """Count the groups that the source names, before copies join them, and the images that are of none."""
    named = [file.group for file in kept if file.group]
    return {"groups": {"named": len(set(named)), "images_without": len(kept) - len(named)}} if named else {}


def check_counts(data_set, counts, splits):
    """Compare the images per class, and per split where the data set knows it, with the publication's."""
    check = {
        "source": data_set.counts_source,
        "expected": data_set.expected_counts,
        "differences": _differences(counts, data_set.expected_counts),
    }
    if data_set.expected_splits:
        check["split_differences"] = {
            split: _differences(splits.get(split, dict.fromkeys(counts, 0)), expected)
            for split, expected in data_set.expected_splits.items()
        }
    return check


def _differences(counts, expected):
    return {name: counts[name] - expected[name] for name in counts if counts[name] != expected[name]}


def describe_duplicates(frame, turned):
    """Count the clusters of identical and of near-identical images and list those whose labels differ.

    Where the distributor split the data, also count the clusters that this split tears apart.
    """
    labels, paths, splits = (list(frame[name]) for name in ("label", "path", "source_split"))
    identical, near = find_duplicates(list(frame["sha256"]), list(frame["phash"]))

    def listed(clusters):
        return [{paths[row]: labels[row] for row in rows} for rows in conflicting(clusters, labels)]

    described = {
        "identical_groups": len(identical),
        "identical_files": sum(map(len, identical)),
        "conflicting_groups": len(conflicting(identical, labels)),
        "near_groups": len(near),
        "near_files": sum(map(len, near)),
        "near_conflicting_groups": len(conflicting(near, labels)),
        "turned_pairs": len(turned),
        "turned_conflicting_pairs": len(conflicting(turned.tolist(), labels)),
        "conflicts": {"identical": listed(identical), "near": listed(near)},
    }
    if len(set(splits)) > 1:
        described["straddling"] = {
            "identical": _describe_straddling(identical, splits),
            "near": _describe_straddling(near, splits),
        }
    return described


def _describe_straddling(clusters, splits):
    """Count the clusters with images in several of the distributor's parts, and these images by part."""
    torn = conflicting(clusters, splits)
    images = Counter(splits[row] for rows in torn for row in rows)
    return {"groups": len(torn), "images": dict(sorted(images.items()))}
