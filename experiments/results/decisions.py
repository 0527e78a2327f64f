"""The same networks under two decisions: as they were trained, and for classes as frequent as elsewhere.

Accuracy and macro recall are two operating points of one network. A network trained with a balanced loss answers as if
all classes were equally frequent: its probabilities times the frequencies of the classes in training undo this. One
trained with cross-entropy answers for these frequencies: its probabilities divided by them undo that. Nothing is
trained anew.
"""

from drcls.report import mean_sd
from experiments.results.claims import CLAIMS, runs_of
from experiments.results.markdown import markdown
from experiments.results.tables import named_seeds

# Experiment: the protocols whose training parts have rare classes.
PROTOCOLS_SHOWN = {"chexnet_cbam": ("clean",), "multiscale_attention": ("clean", "paper")}
NAMES = {"clean": "clean", "paper": "the paper's"}
MEASURES = ("accuracy", "macro_recall", "macro_f1")


def decisions_table(results, experiment):
    """Return the Markdown table of a paper's rows under both decisions.

    Args:
        results: Path of the folder with the committed files.
        experiment: str, a key of `PROTOCOLS_SHOWN`.
    """
    rows = []
    for protocol in PROTOCOLS_SHOWN[experiment]:
        for claim in CLAIMS:
            runs = runs_of(results, claim, protocol) if claim.experiment == experiment else []
            runs = [run for run in runs if run.get("prior_corrected") and run.get("training")]
            if runs:
                rows.append(
                    {
                        "protocol": NAMES[protocol],
                        "row": f"`{claim.variant}`{number_of_classes(runs[0])}",
                        "as trained: accuracy, macro recall, macro F1 %": percent(runs, as_trained),
                        "for the other frequencies: the same": percent(runs, for_other_frequencies),
                        "accuracy on training images %": mean_sd(
                            [run["training"]["train_accuracy"] for run in runs], 100, 1
                        ),
                        "seeds": named_seeds(runs),
                    }
                )
    return markdown(rows)


def number_of_classes(run):
    """Return what tells a row of merged classes from the others."""
    return "" if len(run["class_names"]) == 5 else f", {len(run['class_names'])} classes"


def as_trained(run):
    return run["metrics"]


def for_other_frequencies(run):
    """The measures where the probabilities are multiplied or divided by the classes' frequencies in training."""
    network = run["config"].get("network")
    balanced = network is not None and network.get("balanced", True)
    return run["prior_corrected"]["times_prior" if balanced else "over_prior"]


def percent(runs, decision):
    """Return "70.0, 54.6, 50.8": the measures of a decision, means over the seeds."""
    return ", ".join(mean_sd([decision(run)[name] for run in runs], 100, 1) for name in MEASURES)
