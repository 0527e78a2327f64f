"""What the user is told of a preparation: counts, copies, and the files that were rejected."""

from collections import Counter

import pandas as pd

from data_prep.sources import shorten


def summary(info, folder):
    """Say in a few lines what was prepared."""
    lines = [*_counted(info, folder), *_copies(info["duplicates"])]
    if "injected" in info:
        kinds = ", ".join(f"{count} x {kind}" for kind, count in info["injected"].items())
        lines.append(f"injected: {kinds}, listed in {folder / 'injected.csv'}")
    if info["rejected"]:
        reasons = Counter(pd.read_csv(folder / "rejected.csv")["reason"])
        lines += [f"rejected: {info['rejected']} files, listed in {folder / 'rejected.csv'}"]
        lines += [f"  {count:>5}  {reason}" for reason, count in reasons.most_common(10)]
    else:
        lines += ["rejected: none"]
    return "\n".join(lines)


def _counted(info, folder):
    """The images of each class, beside those that its source states, and what the folders meant."""
    check = info.get("counts_check", {})
    lines = [f"{info['title']} in {folder}: {sum(info['counts'].values())} images"]
    for name, count in info["counts"].items():
        remark = (
            f"  ({check['expected'][name]} in {check['source']})"
            if name in check.get("differences", {})
            else ""
        )
        lines.append(f"  {name:<15}{count:>7}{remark}")
    lacking = [name for name, count in info["counts"].items() if not count]
    if lacking:
        lines.append(f"no image of {', '.join(lacking)}: fit to be evaluated, not to train with")
    if info.get("ordered"):
        lines.append(f"grades, from least to most: {', '.join(info['classes'])}")
    for split, counts in info.get("source_splits", {}).items():
        lines.append(
            f"  in {split}: {_describe_split(counts, check.get('split_differences', {}).get(split, {}))}"
        )
    if "columns" in info:
        uses = ", ".join(f"{use} {column!r}" for use, column in info["columns"].items())
        lines.append(f"columns of the table: {uses}")
    if "groups" in info:
        lines.append(_describe_groups(info["groups"], sum(info["counts"].values())))
    if info.get("group_folders"):
        lines.append("groups: the folders inside the class folders (--group-folders)")
    if info.get("folders_without_meaning"):
        lines.append(
            f"folders inside the class folders, not used as groups, {shorten(info['folders_without_meaning'])}; if "
            "they are patients or the like, a split tears them apart unless you give --group-folders"
        )
    if info.get("grey"):
        lines.append(f"grey, stored with three equal channels: {info['grey']}")
    if "ungradable_dropped" in info:
        lines.append(f"  ungradable, dropped: {info['ungradable_dropped']}")
    return lines


def _describe_groups(groups, num_images):
    """Say how many groups the source knows, by which a wrong column or a patient with two ids is seen."""
    alone = groups["images_without"]
    line = f"{num_images} images in {groups['named'] + alone} groups"
    return f"{line}; images of no named group, each a group of its own: {alone}" if alone else line


def _copies(doubles):
    """Identical, near-identical and turned images, and how many lie across the parts that the source came in."""
    lines = [
        f"identical: {doubles['identical_groups']} groups, {doubles['identical_files']} files, "
        f"{doubles['conflicting_groups']} groups with conflicting labels",
        f"near-identical: {doubles['near_groups']} groups, {doubles['near_files']} files, "
        f"{doubles['near_conflicting_groups']} groups with conflicting labels (listed in dataset.json)",
        f"turned or mirrored copies: {doubles['turned_pairs']} pairs, {doubles['turned_conflicting_pairs']} with "
        "conflicting labels",
    ]
    for kind, torn in doubles.get("straddling", {}).items():
        images = ", ".join(f"{count} in {split}" for split, count in torn["images"].items()) or "none"
        lines.append(f"across the distributed split, {kind}: {torn['groups']} groups; images: {images}")
    return lines


def _describe_split(counts, differences):
    parts = []
    for name, count in counts.items():
        remark = f" (of {count - differences[name]})" if name in differences else ""
        parts.append(f"{name} {count}{remark}")
    return ", ".join(parts)
