"""Parts of a report that several papers' reports have: the classes, the intervals, the training curves."""

from drcls.report import (
    HEADS,
    PROTOCOLS,
    Table,
    class_distribution,
    intervals_table,
    select_runs,
    synthetic_label,
    training_curves,
)


def class_chart(folder, manifest):
    """Draw how many images of each class the whole data set has, into the report's folder."""
    path = folder / "figures" / "classes.png"
    return class_distribution(path, {"all": manifest.counts_by_class()}, manifest.info, "Images per class")


def interval_tables(runs, reference_of):
    """Return the accuracies of each protocol with their intervals, compared with a reference row.

    Args:
        runs: runs of one data set and profile.
        reference_of: function, runs of one protocol -> the row that the others are compared with, or None for no
            table.

    Returns:
        list of Table, one for each protocol that was run.
    """
    tables = []
    for protocol in PROTOCOLS:
        chosen = select_runs(runs, protocol=protocol)
        reference = reference_of(chosen) if chosen else None
        if reference:
            caption = (
                f"{synthetic_label(runs)}Accuracy, its intervals, and the paired difference to {reference}, "
                f"{HEADS[protocol]}."
            )
            tables.append(Table(intervals_table(chosen, reference), caption))
    return tables


def training_figure(folder, runs, name="training"):
    """Draw the training curves of the lowest seed, into the report's folder.

    Returns:
        list of one Figure; empty where no network was trained by epochs.
    """
    trained = [run for run in runs if (run["folder"] / "history.csv").is_file()]
    if not trained:
        return []
    chosen = select_runs(trained, seed=min(run["seed"] for run in trained))
    return [training_curves(folder / "figures" / f"{name}.png", chosen)]
