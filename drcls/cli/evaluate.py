"""Measure a trained classifier on a part of a prepared folder.

RUN_OR_MODEL is a run folder or a .keras file; the model file of a run counts as the run. The test part is measured
where DATA are the run's images, all images where none of them is known from the run; of a mixture name the --part. How
many of the images the run was trained with is said.

The same evaluation again replaces the earlier one and its page. A folder that holds another one, of other data say, is
refused: name one for each data set with --to.

examples:
  drcls evaluate runs/plain data/mine --html plain.html
  drcls evaluate model.keras data/another_hospital --part all --to evaluations/another_hospital
"""

from pathlib import Path

from drcls.cli.arguments import model_file, prepared, seed_number
from drcls.cli.results import describe_metrics

AFTER_INTERRUPTION = "give the command again; nothing half-written is left"


def add_arguments(parser):
    parser.add_argument("model", metavar="RUN_OR_MODEL", type=model_file, help="run folder or .keras file")
    parser.add_argument("data", metavar="DATA", type=prepared, help="prepared folder")
    parser.add_argument("--part", choices=["train", "validation", "test", "all"], help="default: see above")
    parser.add_argument(
        "--to", type=Path, help="folder of the results (default: evaluation-PART in the run folder)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page with tables and figures")
    parser.add_argument(
        "--positive", metavar="CLASS", help="of two the one that sensitivity is of (default: the second)"
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="of the bootstrap")


def run(options):
    """Evaluate, and return the content of `metrics.json`."""
    from drcls.own_images import evaluate_classifier

    result = evaluate_classifier(
        options.model, options.data, options.part, options.to, options.positive, options.seed
    )
    if options.html:
        from drcls.own_images.page import write_evaluation_page

        write_evaluation_page(result["folder"], options.html)
        result["html"] = str(options.html)
    return result


def describe(result):
    lines = [describe_metrics(result)]
    if result["seen_in_training"] is None:
        lines.append("which of these images the model was trained with is not known: no run folder says it")
    if result["seen_in_training"]:
        lines.append(f"{result['seen_in_training']} of these images are files that the run was trained with")
    lines += [f"assumed: {one}" for one in result["assumed"]]
    lines.append(f"predictions: {Path(result['folder']) / 'predictions.csv'}")
    if "html" in result:
        lines.append(f"page: {result['html']}")
    return "\n".join(lines)
