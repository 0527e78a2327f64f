"""What corruptions leave, and what stronger augmentation changes: two sections of the blood-cell report."""

import numpy as np
import pandas as pd

from drcls.files import read_json
from drcls.metrics import mean_corruption_error
from drcls.report import Section, Table, mean_sd, robustness_curves, select_runs, synthetic_label
from experiments.blood_cells.corruption_gains import gain_rows


def read_robustness(run):
    """Return what was measured under corruptions, or None."""
    file = run["folder"] / "robustness.json"
    return read_json(file) if file.is_file() else None


def robustness_section(folder, runs):
    """Accuracy of every row under every corruption, mean and deviation over seeds, and against severity."""
    measured = [(run, read_robustness(run)) for run in select_runs(runs, protocol="clean", finished=True)]
    measured = [(run, values) for run, values in measured if values]
    if not measured:
        return Section("Corrupted test images", ["Not run: the clean protocol measures them."])
    reference = reference_row([run for run, _ in measured])
    text = (
        "Test images of the clean split, corrupted (severities 1 to 5, averaged in the table). Nothing was trained or "
        "chosen on corrupted images; brightness and Gaussian noise are part of the printed augmentation, and overlays "
        "of other pictures that the outlier search missed may stand in training. `mean` is the accuracy averaged over "
        "the corruptions; the mean corruption error (mCE) is the error summed over severities as a share of that of "
        f"`{reference}`, averaged over the corruptions (Hendrycks and Dietterich): below 100 is more robust. Noise and "
        "JPEG harm small images more than large ones, so compare rows of one image size. Rows ending in `TTA` "
        "predict the mean over the eight flips and turns of an image."
    )
    references = {run["seed"]: values for run, values in measured if run["variant"] == reference}
    rows = []
    for name in dict.fromkeys(run["variant"] for run, _ in measured):
        seeds = {run["seed"]: values for run, values in measured if run["variant"] == name}
        rows.append(corrupted_row(name, seeds, references))
        with_tta = {
            seed: values["tta"] | {"image_size": values["image_size"]}
            for seed, values in seeds.items()
            if "tta" in values
        }
        if with_tta:
            rows.append(corrupted_row(f"{name}, TTA", with_tta, references))
    caption = "Accuracy (%) on corrupted test images, mean of five severities; ± is the deviation over seeds."
    table = Table(pd.DataFrame(rows), f"{synthetic_label(runs)}{caption}")
    first = min(run["seed"] for run, _ in measured)
    shown = [(run, values) for run, values in measured if run["seed"] == first]
    figure = robustness_curves(
        folder / "figures" / "robustness.png",
        [run for run, _ in shown],
        [values for _, values in shown],
        "Accuracy under corruptions",
    )
    return Section("Corrupted test images", [text, table, figure])


def reference_row(runs):
    """Name the row that corruption errors are taken against: the first plain head on a frozen backbone."""
    plain = [
        run
        for run in runs
        if run["config"].get("kind") == "transfer" and not run["config"].get("downsampling")
    ]
    return (plain or runs)[0]["variant"]


def corrupted_row(name, measured, references):
    """One row of the table.

    Args:
        name: str.
        measured: dict, seed -> what was measured under corruptions.
        references: the same of the reference row.
    """
    values = list(measured.values())
    errors = [
        mean_corruption_error(one, references[seed]) if seed in references else None
        for seed, one in measured.items()
    ]
    return {
        "row": name,
        "seeds": ", ".join(map(str, measured)),
        "images": " to ".join(map(str, sorted({one["num_images"] for one in values}))),
        "pixels": str(values[0]["image_size"]),
        "clean": mean_sd([one["clean"] for one in values], 100, 1),
        **{
            corruption: mean_sd([np.mean(one["corrupted"][corruption]) for one in values], 100, 1)
            for corruption in values[0]["corrupted"]
        },
        "mean": mean_sd([1 - mean_corruption_error(one) for one in values], 100, 1),
        "mCE": mean_sd(errors, 100, 1),
    }


def augmentation_section(runs):
    """Whether stronger augmentation helps on corruptions that it did not train on."""
    clean = select_runs(runs, protocol="clean", finished=True)
    rows = gain_rows([(run, measured) for run in clean if (measured := read_robustness(run))])
    if not rows:
        return Section("Stronger augmentation", ["Not run."])
    text = (
        "A network trained with one of Keras' augmentations besides the printed one, against the printed one alone on "
        "the same split, on the corruptions that neither trained on nor trained on something like it. Rows ending in "
        "`TTA` compare the mean over eight flips and turns with the plain prediction of the same network. The "
        "interval is over images; how trainings vary shows in ± alone, the deviation over seeds."
    )
    return Section(
        "Stronger augmentation", [text, Table(pd.DataFrame(rows), f"{synthetic_label(runs)}What it changes.")]
    )
