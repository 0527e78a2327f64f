"""The report of the CheXNet-CBAM runs: Tables 1-2 and 4-9 and Figures 2 and 5-9, printed beside measured.

Reads the run folders and the manifest and trains nothing; `--report-only` of the experiment rebuilds it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from drcls.data.image_ops import read_image, resize
from drcls.files import read_json
from drcls.report import (
    HEADS,
    PROTOCOLS,
    SPREAD,
    Measure,
    Section,
    Table,
    bar_chart,
    class_table,
    confusion_matrices,
    describe,
    example_grid,
    reported_intervals_table,
    results_table,
    select_runs,
    verdict,
    write_report,
)
from experiments.common.closing import closing_sections
from experiments.common.grad_cam import explain_run, pointing_row
from experiments.common.reported import runs_to_report
from experiments.common.sections import class_chart, interval_tables, training_figure

NETWORK = "CheXNet_CBAM"
PUBLISHED = Path(__file__).with_name("published.json")
# Tables of the paper by data set; what the paper has not run is compared with its APTOS 2019 tables.
TABLES = {"ddr": {"counts": "2", "models": "6", "classes": "7", "intervals": "9"}}
APTOS_TABLES = {"counts": "1", "models": "4", "classes": "5", "intervals": "8"}

KAPPA = Measure("quadratic kappa", "quadratic_kappa", percent=False)
HEADLINE_MEASURES = [
    Measure("accuracy (%)", "accuracy"),
    KAPPA,
    Measure("precision (%)", "macro_precision"),
    Measure("recall (%)", "macro_recall"),
    Measure("F1 (%)", "macro_f1"),
]
OUR_MEASURES = [
    Measure("AUROC, one vs rest (%)", "macro_auroc"),
    Measure("calibration error (%)", "expected_calibration_error"),
]
CLASS_MEASURES = [
    Measure("precision (%)", "precision"),
    Measure("recall (%)", "recall"),
    Measure("F1 (%)", "f1"),
]
DEVIATIONS = """What is reported wrongly, and what was chosen where the paper says nothing:

- Eq. 18 lacks its minus sign; the loss used here has it. Eq. 3 is CheXNet's sigmoid; grades need a softmax.
- The optimizer and the learning rate are not reported: Adam (AdamW with averaged weights on a pretrained backbone in
  the short profile), warmed up over 5 % of the steps, then a cosine to zero.
- The sizes of CBAM, DropBlock and Transformer are not reported: reduction 16, kernel 7; blocks of 3 x 3 at
  rate 0.1; 8 heads of 64, feed-forward 512; dropout 0.3 before the last layer. CBAM follows the backbone.
- Both 1/255 and standardisation are claimed: each backbone gets the preprocessing of its own weights.
- Shear 0.2 is 0.2 degrees, as ImageDataGenerator reads it. Width shifts move along the width.
- The paper does not say which epoch it kept: the paper's own rows keep the one with the best macro F1 on validation,
  rows on a pretrained backbone the last one.
- Rows on a pretrained backbone: quick trains what is behind the frozen backbone, without augmentation; short trains all
  of it, under the paper's protocol with flips alone, on the clean split with flips, rotations, label smoothing and no
  class weights. CBAM's gates start at 0.9 there, and DropBlock's rate rises over half of the steps.
- The clean protocol splits 70/10/20 instead of 80/10/10: the rarest class has twice the test images so.
- CheXNet without its chest X-ray weights is DenseNet121; without them its row is left out of quick runs.
- The controls, the learners on frozen features and the rows named after another backbone are ours."""


def write_chexnet_cbam_report(run_set, manifest, data, profile):
    """Write `report.md`, `report.html` and the figures for one data set and profile.

    Args:
        run_set: Path of the experiment's run folders, `runs/chexnet_cbam`.
        manifest: the whole data set, a `Manifest`.
        data, profile: str, which runs to report.

    Returns:
        Path of `report.html`.
    """
    runs = runs_to_report(run_set, [data], profile)
    folder = run_set / f"report-{data}-{profile}"
    published = read_json(PUBLISHED)
    tables = {part: published["tables"][number] for part, number in TABLES.get(data, APTOS_TABLES).items()}
    models = tables["models"]["rows"]
    [accuracy] = [row["accuracy"] for row in models if row["model"] == NETWORK]
    first = verdict(
        runs,
        f"The paper reports an accuracy of {accuracy:.2f} % for {NETWORK} ({tables['models']['caption']}).",
        most_complete(select_runs(runs, finished=True) or runs),
        [HEADLINE_MEASURES[0], KAPPA],
        [row["model"] for row in models],
    )
    sections = [
        data_section(folder, manifest, tables, data),
        leakage_section(runs, manifest),
        results_section(folder, runs, tables),
        classes_section(runs, tables),
        statistics_section(runs, tables, published["datasets"]["ddr" if data == "ddr" else "aptos2019"]),
        matrices_section(folder, runs, tables),
        Section("Training", training_figure(folder, runs) or ["No network was trained."]),
        grad_cam_section(runs, manifest),
        *closing_sections(DEVIATIONS, published["notes"], runs),
    ]
    return write_report(folder, f"CheXNet-CBAM on {manifest.info['title']}", sections, runs, first)[1]


def data_section(folder, manifest, tables, data):
    """Section 2.1: the data set and its classes."""
    counts = manifest.counts_by_class()
    printed = {row["class"]: row["images"] for row in tables["counts"]["rows"]}
    frame = pd.DataFrame(
        {
            "class": manifest.classes,
            "paper": [str(printed[name]) for name in manifest.classes],
            manifest.info["title"]: [str(counts[name]) for name in manifest.classes],
        }
    )
    chosen = [int(np.flatnonzero(manifest.labels == i)[0]) for i in range(len(manifest.classes))]
    images = np.stack([resize(read_image(manifest.paths[i]), 224) for i in chosen])
    labels = [manifest.frame["label"][i] for i in chosen]
    return Section(
        "Data (section 2.1, Tables 1 and 2, Figure 2)",
        [
            Table(
                frame,
                f"Paper: {tables['counts']['caption']}. Ours: {manifest.info['title']}, as prepared here.",
            ),
            class_chart(folder, manifest),
            example_grid(
                folder / "figures" / "examples.png", images, labels, manifest.info, "One image of each class"
            ),
        ],
    )


def leakage_section(runs, manifest):
    """Section 2.3.1: what oversampling before the split does to the test part."""
    label = " (synthetic)" if manifest.info.get("phantom") else ""
    # All runs of one protocol share one split.
    audits = {run["protocol"]: run["leakage"] for run in runs if run["finished"]}
    columns = {HEADS[name] + label: audits[name] for name in PROTOCOLS if name in audits}
    frame = pd.DataFrame({"class of the test images": ["all", *manifest.classes]})
    for head, audit in columns.items():
        shares = [audit["overall"], *(audit["per_class"].get(name) for name in manifest.classes)]
        frame[f"leaked, {head}"] = [
            "no test image" if share is None else f"{100 * share:.1f} %" for share in shares
        ]
    text = (
        "The paper oversamples every class to the largest and splits afterwards, so that copies of one image "
        "stand in training and test. A test image counts as leaked when training holds an identical or "
        "near-identical one. The clean protocol drops duplicates and splits whole groups. The paper weights the "
        "loss by class (Eq. 17); after its oversampling those weights are all one."
    )
    return Section(
        "Balancing and split (section 2.3.1)", [text, Table(frame, "Share of leaked test images.")]
    )


def results_section(folder, runs, tables):
    """Tables 4 and 6, Figures 5 and 7."""
    rows = tables["models"]["rows"]
    frame = results_table(runs, rows, HEADLINE_MEASURES + OUR_MEASURES)
    chart = bar_chart(folder / "figures" / "models.png", runs, rows, HEADLINE_MEASURES, "Models compared")
    return Section(
        "Models (Tables 4 and 6, Figures 5 and 7)",
        [Table(frame, f"Paper: {tables['models']['caption']}. Ours: {describe(runs)}. {SPREAD}"), chart],
    )


def classes_section(runs, tables):
    """Tables 5 and 7."""
    model = most_complete(runs)
    frame = class_table(runs, tables["classes"]["rows"], model, CLASS_MEASURES)
    caption = f"Paper: {tables['classes']['caption']}. Ours: {model}, {describe(runs)}. {SPREAD}"
    return Section("Classes (Tables 5 and 7)", [Table(frame, caption)])


def most_complete(runs):
    """The network of the paper, or the row here that has the most of its parts."""

    def parts(run):
        return run["variant"] == NETWORK, len(run["config"].get("parts", []))

    return max(runs, key=parts)["variant"]


def statistics_section(runs, tables, sizes):
    """Section 3.3, Tables 8 and 9: intervals and differences, as printed and as they should be."""
    reported = Table(
        reported_intervals_table(tables["intervals"]["rows"], sizes["split"]["test"]),
        f"Paper: {tables['intervals']['caption']}. The reported intervals, and Eq. 25 (Wald) for the reported accuracy "
        "at the paper's number of test images.",
    )
    parts = [
        reported,
        "The differences between our models are paired: an exact test on the same test images, the copies of an "
        "image counted together. For one seed it is McNemar's test; the row of all seeds sums the seeds. ± is the "
        "standard deviation over the seeds. Wald's and Wilson's intervals take copies of an image for images; the "
        "bootstrap over groups does not.",
    ]
    parts += interval_tables(runs, most_complete)
    return Section("Statistical analysis (section 3.3, Tables 8 and 9)", parts)


def matrices_section(folder, runs, tables):
    """Figures 6 and 8."""
    figures = []
    for protocol in PROTOCOLS:
        chosen = select_runs(runs, protocol=protocol)
        if chosen:
            path = folder / "figures" / f"confusion-{protocol}.png"
            models = list(dict.fromkeys(run["variant"] for run in chosen))
            figures.append(
                confusion_matrices(path, chosen, models, f"Confusion matrices, {protocol} protocol")
            )
    return Section("Confusion matrices (Figures 6 and 8)", figures)


def grad_cam_section(runs, manifest):
    """Section 2.3.6, Figure 9: where the networks look, and whether lesions are there."""
    networks = [run for run in runs if run["finished"] and (run["folder"] / "model.keras").is_file()]
    first = [run for run in networks if run["seed"] == min(other["seed"] for other in networks)]
    figures, rows = [], []
    for run in first:
        parts, game = explain_run(run, manifest)
        figures += parts
        if game:
            rows.append(pointing_row(run, game))
    text = (
        "Eq. 19 and 20 on the score of the predicted class before the softmax, at the feature map after "
        "CBAM. Figure 9 of the paper shows hits alone; here a hit and a miss of each class are drawn at random."
    )
    parts = [text, *figures]
    if rows:
        caption = (
            "Pointing game on test images with lesions: the hottest pixel lies in the lesion mask or within "
            "1/16 of the image's side of it. A random pixel is chance."
        )
        parts.append(Table(pd.DataFrame(rows), caption))
    return Section("Grad-CAM (section 2.3.6, Figure 9)", parts)
