"""The figures of this paper on the results page: accuracy, what each part changes, and how faithful the explainers are.

Each function draws one figure from the numbers of its `experiments.results.figures.Source`, and returns its caption.
The first line of its docstring is what a screen reader says.
"""

from experiments.results.bars import CLEAN, COLOURS, HEADS, MORE, OURS, PROTOCOLS, bars


def multiscale_accuracy(source, path):
    """The poster's numbers and ours."""
    groups, columns = [], ([], [], [])
    for number, data in (("5", "aptos2019"), ("4", "aptos2019_4_classes")):
        [reported] = source.reported(f"{number} classes", model="MultiScaleAttention")
        for metric, name in (("accuracy", "accuracy"), ("macro_recall", "macro recall")):
            groups.append(f"{name},\n{number} classes")
            columns[0].append([reported[metric]])
            for column, protocol in zip(columns[1:], PROTOCOLS, strict=True):
                row = dict(data=data, variant="MultiScaleAttention", protocol=protocol)
                column.append(source.values(metric, **row))
    source.draw(
        bars,
        path,
        groups,
        dict(zip(HEADS, columns, strict=True)),
        "Multi-scale attention on APTOS 2019",
        "%",
        COLOURS,
    )
    return (
        "From random weights, at 96 pixels in the end, after 100 epochs. Leak-free with five classes: two seeds, else "
        "one. The poster calls its numbers micro and macro average; they are read here as accuracy and macro recall."
    )


def multiscale_rows(source, path):
    """What balanced softmax does, and what the network gains or loses without a part."""
    rows = {
        "MultiScaleAttention": "the poster's network",
        "without_balanced_softmax": "without balanced\nsoftmax",
        "without_attention": "without attention",
        "norm_first": "pre-norm\nencoders",
        "norm_first_without_balanced_softmax": "pre-norm, without\nbalanced softmax",
        "without_wavelet": "without\nwavelets",
        "without_squeeze_excitation": "without squeeze\nand excitation",
        "lightweight": "lightweight",
    }
    measures = {"accuracy": "accuracy", "macro_recall": "macro recall", "macro_f1": "macro F1"}
    series = {
        name: [source.values(metric, data="aptos2019", protocol="clean", variant=row) for row in rows]
        for metric, name in measures.items()
    }
    source.draw(
        bars,
        path,
        list(rows.values()),
        series,
        "Leak-free split, five classes",
        "%",
        [MORE[0], MORE[1], MORE[2]],
    )
    return (
        "Balanced softmax gives up accuracy for macro recall. The poster's network and those without attention and "
        "without balanced softmax have two seeds, the others one; 100 epochs at up to 96 pixels."
    )


def multiscale_explainers(source, path):
    """Deletion and insertion of every explainer."""
    [run] = source.found(data="aptos2019", protocol="clean", variant="MultiScaleAttention", seed=0)
    methods = run["explainers"]["methods"]
    series = {
        f"{name} ({good} is good)": [[100 * methods[method][name]] for method in methods]
        for name, good in (("deletion", "low"), ("insertion", "high"))
    }
    groups = [method.replace("_", " ") for method in methods]
    source.draw(
        bars,
        path,
        groups,
        series,
        "Explainers against random pixels",
        "area under the curve (%)",
        [OURS, CLEAN],
    )
    return (
        "Means over 20 test images of one network (100 epochs); an explainer is faithful as far as it differs from "
        "random pixels."
    )


FIGURES = (multiscale_accuracy, multiscale_rows, multiscale_explainers)
