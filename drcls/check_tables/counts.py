"""Counts of images: totals, parts, class shares, ratios, and what guessing the largest class scores."""

import math

from drcls.check_tables.document import place_of
from drcls.check_tables.finding import agreement, note


def totals(document):
    """A table's `total` against the sum of its `images`."""
    findings = []
    for number, table in document.tables.items():
        place = place_of("tables", number)
        if "total" in table and all("images" in row for row in table["rows"]):
            images = [row["images"] for row in table["rows"]]
            cells = [f"{place}/rows/{index}/images" for index in range(len(images))]
            arithmetic = f"{' + '.join(map(str, images))} = {sum(images)}, reported {table['total']}."
            places = [*cells, f"{place}/total"]
            findings.append(agreement("total", places, sum(images) == table["total"], arithmetic))
    return findings


def parts(document):
    """A data set's total, its balanced total and its split against its class counts."""
    findings = []
    for name, data in document.datasets.items():
        place = place_of("datasets", name)
        counts = document.counts(data["class_counts"]) if "class_counts" in data else None
        if counts is not None and "total" in data:
            arithmetic = f"The class counts sum to {sum(counts)}, reported {data['total']}."
            agrees = sum(counts) == data["total"]
            findings.append(agreement("data_total", [f"{place}/total"], agrees, arithmetic))
        if counts is not None and "balanced" in data:
            most, balanced = max(counts), data["balanced"]
            arithmetic = (
                f"The largest class has {most} images, {len(counts)} classes of that size {len(counts) * most}; "
                f"reported {balanced['per_class']} and {balanced['total']}."
            )
            agrees = balanced == balanced | {"per_class": most, "total": len(counts) * most}
            places = [f"{place}/balanced/per_class", f"{place}/balanced/total"]
            findings.append(agreement("balanced_total", places, agrees, arithmetic))
        findings += _split(place, data)
    return findings


def _split(place, data):
    """Parts must sum to what was split, and each be its share of it to within one image."""
    split, whole = data.get("split"), data.get("balanced", data).get("total")
    if not split or whole is None:
        return []
    places = [place + place_of("split", part) for part in split]
    arithmetic = f"{' + '.join(map(str, split.values()))} = {sum(split.values())}, the whole is {whole}."
    findings = [agreement("split_total", places, sum(split.values()) == whole, arithmetic)]
    for part, share in data.get("split_shares", {}).items():
        arithmetic = f"{share:g} of {whole} is {share * whole:.1f}, reported {split[part]}."
        agrees = abs(split[part] - share * whole) <= 1
        places = [place + place_of(kind, part) for kind in ("split", "split_shares")]
        findings.append(agreement("split_share", places, agrees, arithmetic))
    return findings


def ratios(document):
    """Rows with `counts` by class: their ratio largest to smallest (`rho`), `total`, and `shares` in percent."""
    findings = []
    for place, _, row in document.rows("counts"):
        counts = row["counts"]
        cells = [f"{place}/counts/{index}" for index in range(len(counts))]
        if "rho" in row:
            if not counts or min(counts) <= 0:
                raise ValueError(f"{place}/counts must be above 0 beside a rho, received {counts}")
            ratio, half = max(counts) / min(counts), document.half(f"{place}/rho")
            arithmetic = f"{max(counts)} / {min(counts)} = {ratio:.4f}, reported {row['rho']:g}."
            agrees = abs(ratio - row["rho"]) <= half
            findings.append(agreement("ratio", [f"{place}/rho", *cells], agrees, arithmetic))
        if "total" in row:
            arithmetic = f"{' + '.join(map(str, counts))} = {sum(counts)}, reported {row['total']}."
            findings.append(
                agreement("row_total", [f"{place}/total"], sum(counts) == row["total"], arithmetic)
            )
        if row.get("shares") and not sum(counts):
            raise ValueError(f"{place}/counts must have a sum above 0 beside shares, received {counts}")
        for index, reported in enumerate(row.get("shares", ())):
            share = 100 * counts[index] / sum(counts)
            # Class shares are design figures: 10:10:80 stands for 10.2:10.5:79.3.
            arithmetic = f"{counts[index]} of {sum(counts)} is {share:.2f} %, reported {reported:g} %."
            agrees = abs(share - reported) <= 1
            findings.append(agreement("class_share", [f"{place}/shares/{index}"], agrees, arithmetic))
    return findings


def largest_class(document):
    """Accuracies that always answering the largest class would reach, in the shares of `class_counts`."""
    findings = []
    for place, table, row in document.rows("accuracy"):
        counts = row.get("class_counts", table.get("class_counts"))
        if counts is None:
            continue
        counts, (share, half) = document.counts(counts), document.share(f"{place}/accuracy")
        baseline = max(counts) / sum(counts)
        if share + half < baseline and not math.isclose(share, baseline):
            arithmetic = (
                f"Always answering the largest class is right for {max(counts)} of {sum(counts)}, "
                f"{100 * baseline:.2f} %: more than the reported {100 * share:.2f} %."
            )
            findings.append(note("largest_class", [f"{place}/accuracy"], arithmetic))
    return findings
