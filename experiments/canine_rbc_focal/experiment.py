"""The focal loss against class imbalance, on the morphology of dogs' red blood cells.

Paper: "Convolutional Neural Networks based Focal Loss for Class Imbalance Problem: A Case Study of Canine Red
Blood Cells Morphology Classification", Pasupa, Vatathanavaro and Tungjitnob.

    make reproduce-canine-rbc                                 cells of 12 human smears, minutes on two CPU cores
    make reproduce-canine-rbc DATA=smear_phantom              synthetic smears
    make reproduce-canine-rbc DATA=chula_rbc PROFILE=short    human smears, an hour or two on two CPU cores
    make reproduce-canine-rbc DATA=chula_rbc PROFILE=long     Table 1 with up to 100 epochs, one tiny network
    make reproduce-canine-rbc DATA=canine_rbc PROFILE=full    the paper's networks; needs a GPU

Printed: accuracy 95.60 % and F1 0.92 for DenseNet-121 with alpha 1.5, 91.30 % and 0.84 with cross-entropy. The
quick and short profiles train tiny networks of the two networks, which are named so. Left open by the paper and chosen
here: random initial weights, and what an epoch's validation loss is averaged over (the folds). The `paper` protocol
splits cells at random and reads the best alpha off the test part, as the printed accuracies show; `clean` splits by
smear, chooses alpha and epochs by cross-validation that keeps smears whole, and tests only what was chosen. A seed
decides initial weights, order and resampling; the split is one. Measured figures: experiments/results/.
"""

import functools
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from data_prep.canine_rbc import prepare_cells
from data_prep.phantoms.smear import write_smears
from data_prep.samples.data_sets import RED_CELL_SIZE, RED_CELLS_SAMPLE, prepare_red_cells_sample
from data_prep.sources import Source
from drcls.cli.arguments import positive_int, seed_number
from drcls.data import split
from drcls.environment import devices
from drcls.files import read_json, write_json
from drcls.grid import ENGINES, Trial, run_trials
from drcls.runs import check_split, sole_user
from experiments.canine_rbc_focal.report import write_canine_rbc_focal_report
from experiments.canine_rbc_focal.trial import STRATEGIES, TINY_NETWORKS, divide, train_trial
from experiments.common.controls import CONTROLS, run_controls
from experiments.common.data import acquire
from experiments.common.options import make_parser, resolve_options
from experiments.common.run import audit, identity, run_set_name

ROOT = Path(__file__).resolve().parents[2]


def cut_smear_phantom(folder):
    """Draw smears beside the folder, and cut their cells out as those of real smears are."""
    smears = write_smears(folder.with_name(f"{folder.name}_smears"), num_smears=20, size=(360, 270), seed=0)
    prepare_cells(Source(smears), folder, size=RED_CELL_SIZE)


STAND_INS = {RED_CELLS_SAMPLE.name: prepare_red_cells_sample, "smear_phantom": cut_smear_phantom}

CONFIG = {
    "fractions": (0.7, 0.3),
    "split_seed": 0,
    "batch_size": 32,
    "optimizer": "Adam",
    "learning_rate": 1e-3,
    "weights": "none",
}
PROFILES = {
    "quick": {
        "image_size": 48,
        "epochs": 6,
        "num_folds": 2,
        "backbones": list(TINY_NETWORKS),
        "policy": "float32",
        "majority_shares": (0.50, 0.80, 0.95),
    },
    "short": {
        "image_size": 48,
        "epochs": 12,
        "num_folds": 5,
        "backbones": list(TINY_NETWORKS),
        "policy": "float32",
    },
    # Whether the paper's number of epochs shows what 12 do not: four methods of Table 1 with one network.
    "long": {
        "image_size": 48,
        "epochs": 100,
        "patience": 20,
        "num_folds": 5,
        "backbones": ["tiny_densenet"],
        "policy": "float32",
        "methods": ("focal_0.25", "focal_1.50", "focal_1.75", "cross_entropy"),
        "table_1_alone": True,
    },
    "full": {
        "image_size": 224,
        "epochs": 100,
        "num_folds": 5,
        "backbones": ["DenseNet121", "ResNet50"],
        "policy": "mixed_bfloat16",
    },
}

# Table 1: every alpha of the sweep, the baselines, and one row of ours.
ALPHAS = (0.25, 0.50, 0.75, 1.00, 1.25, 1.50, 1.75)
GAMMA = 2.0
METHODS = {
    **{f"focal_{alpha:.2f}": {"alpha": alpha, "gamma": GAMMA} for alpha in ALPHAS},
    "focal_by_class": {"alpha": "by class", "gamma": GAMMA},
    "cross_entropy": {},
    "under_sampling": {"resampling": "under_sampling"},
    "over_sampling": {"resampling": "over_sampling"},
}
SWEEP = [f"focal_{alpha:.2f}" for alpha in ALPHAS]
# Table 2: shares of Normal.
MAJORITY_SHARES = (0.50, 0.60, 0.70, 0.80, 0.85, 0.90, 0.95)
# Alphas far apart, by an optimizer that divides their factor out and one that does not.
DEMONSTRATED = {"Adam": 1e-3, "SGD": 1e-2}


def main(arguments=None):
    options = parse(arguments)
    run_set = ROOT / options.runs / "canine_rbc_focal"
    manifest = acquire(ROOT / "data" / options.data, STAND_INS)
    if not options.report_only:
        run_all(options, manifest, run_set)
    page = write_canine_rbc_focal_report(run_set, manifest, options.data, options.profile)
    print(f"report: {page}")


def run_all(options, manifest, run_set):
    """Sections 4.2 to 5: cross-validation, Table 1, Table 3 and what alpha does, each a grid of both protocols."""
    measure_controls(options, manifest, run_set)
    folds = {protocol: cross_validation(options, protocol, run_set) for protocol in options.protocols}
    print("\ncross-validation")
    run(
        options,
        manifest,
        [trial for groups in folds.values() for group in groups.values() for trial in group],
    )
    choices = {protocol: choose(options, protocol, groups, run_set) for protocol, groups in folds.items()}
    print("\nTable 1")
    run(options, manifest, [trial for each in choices.items() for trial in table_1(options, *each, run_set)])
    if PROFILES[options.profile].get("table_1_alone"):
        return
    print("\nTable 3, and what alpha does")
    alphas = {each[0]: best_alphas(options, *each, run_set) for each in choices.items()}
    levels = [
        trial for each in choices.items() for trial in table_3(options, *each, alphas[each[0]], run_set)
    ]
    run(options, manifest, levels + alpha_demonstration(options, run_set))


def measure_controls(options, manifest, run_set):
    """What the largest class and copied files alone are worth, on the test part of Table 1."""
    division, seed = {key: CONFIG[key] for key in ("fractions", "split_seed")}, options.seeds[0]
    for protocol in options.protocols:
        parts = split(manifest, division["fractions"], division["split_seed"], STRATEGIES[protocol])
        row = identity(options, protocol) | {"seed": seed} | division
        folder = run_set / setting(options, protocol, seed)
        run_controls(CONTROLS, row, parts, audit(parts, protocol), folder, options.force)


def cross_validation(options, protocol, run_set):
    """Section 4.2: the folds of every network and method, on the training part.

    Returns:
        dict, (network, method) -> list of `Trial`.
    """
    home = run_set / "cross_validation" / setting(options, protocol, options.seeds[0])
    return {
        (backbone, method): [
            Trial(
                home / f"{backbone}+{method}" / f"fold-{fold}",
                make_config(options, protocol, options.seeds[0], backbone, method, fold=fold),
            )
            for fold in range(PROFILES[options.profile]["num_folds"])
        ]
        for backbone in PROFILES[options.profile]["backbones"]
        for method in PROFILES[options.profile].get("methods", METHODS)
    }


def choose(options, protocol, groups, run_set):
    """Section 4.2: what the folds choose, the epochs of every method and alpha.

    Returns:
        dict from the network to a dict from the method to its epochs (those with the least validation loss, of the
        epochs that all folds have), that loss and the macro F1 there.
    """
    home = run_set / "cross_validation" / setting(options, protocol, options.seeds[0])
    choice = {}
    for (backbone, method), group in groups.items():
        curves = [pd.read_csv(trial.folder / "history.csv") for trial in group]
        # Folds that were stopped have curves of different lengths.
        shared = min(map(len, curves))
        loss, macro_f1 = (
            np.mean([curve[name][:shared] for curve in curves], axis=0)
            for name in ("val_loss", "val_macro_f1")
        )
        best = int(loss.argmin())
        choice.setdefault(backbone, {})[method] = {
            "epochs": best + 1,
            "val_loss": float(loss[best]),
            "val_macro_f1": float(macro_f1[best]),
            "val_macro_f1_by_fold": [float(curve["val_macro_f1"][best]) for curve in curves],
        }
    write_json(home / "choice.json", choice)
    return choice


def table_1(options, protocol, choice, run_set):
    """The test of every alpha (paper), or of the alpha that cross-validation chose (clean), and of the baselines."""
    return [
        Trial(
            run_set / setting(options, protocol, seed) / f"{backbone}+{method}",
            make_config(
                options,
                protocol,
                seed,
                backbone,
                method,
                epochs=methods[method]["epochs"],
                save_model=seed == options.seeds[0],
            ),
        )
        for backbone, methods in choice.items()
        for method in methods
        for seed in options.seeds
        if protocol == "paper" or method not in SWEEP or method == chosen_by_folds(methods)
    ]


def chosen_by_folds(methods):
    """The alpha with the best macro F1 in cross-validation."""
    return max(
        (method for method in SWEEP if method in methods),
        key=lambda method: methods[method]["val_macro_f1"],
    )


def best_alphas(options, protocol, choice, run_set):
    """For every network the alpha that Table 3 uses: read off the test part in the paper, off the folds in clean."""
    if protocol == "clean":
        return {backbone: chosen_by_folds(methods) for backbone, methods in choice.items()}
    home = run_set / setting(options, protocol, options.seeds[0])
    return {
        backbone: max(
            SWEEP,
            key=lambda method: read_json(home / f"{backbone}+{method}" / "metrics.json")["metrics"][
                "macro_f1"
            ],
        )
        for backbone in choice
    }


def table_3(options, protocol, choice, alphas, run_set):
    """Focal loss and cross-entropy on the seven class distributions of Table 2."""
    seed = options.seeds[0]
    home = run_set / "imbalance" / setting(options, protocol, seed)
    return [
        Trial(
            home / f"{backbone}+{loss}+{share:.2f}",
            make_config(
                options,
                protocol,
                seed,
                backbone,
                method,
                epochs=choice[backbone][method]["epochs"],
                majority_share=share,
                variant=f"{backbone}+{loss}+{share:.2f}",
            ),
        )
        for backbone in choice
        for loss, method in (("focal", alphas[backbone]), ("cross_entropy", "cross_entropy"))
        for share in PROFILES[options.profile].get("majority_shares", MAJORITY_SHARES)
    ]


def alpha_demonstration(options, run_set):
    """The same seed and data with the smallest and the largest alpha, under Adam and under SGD."""
    protocol, seed = options.protocols[-1], options.seeds[0]
    backbone = PROFILES[options.profile]["backbones"][0]
    home = run_set / "alpha" / setting(options, protocol, seed)
    return [
        Trial(
            home / f"{optimizer}+{method}",
            make_config(options, protocol, seed, backbone, method, variant=f"{optimizer}+{method}")
            | {"optimizer": optimizer, "learning_rate": learning_rate},
        )
        for optimizer, learning_rate in DEMONSTRATED.items()
        for method in (SWEEP[0], SWEEP[-1])
    ]


def setting(options, protocol, seed):
    return run_set_name(options.data, protocol, options.profile, seed)


def make_config(
    options,
    protocol,
    seed,
    backbone,
    method,
    epochs=None,
    fold=None,
    majority_share=None,
    save_model=False,
    variant=None,
):
    """Everything a trial depends on, as `config.json`."""
    profile = PROFILES[options.profile]
    return {
        "variant": variant or f"{backbone}+{method}",
        **identity(options, protocol),
        "seed": seed,
        "backbone": backbone,
        "method": method,
        "image_size": profile["image_size"],
        "policy": profile["policy"],
        "epochs": epochs or options.epochs or profile["epochs"],
        "num_folds": profile["num_folds"],
        "fold": fold,
        "majority_share": majority_share,
        "save_model": save_model,
        **({"patience": profile["patience"]} if fold is not None and "patience" in profile else {}),
        **{"alpha": None, "gamma": None, "resampling": None},
        **METHODS[method],
        **CONFIG,
    }


def run(options, manifest, trials):
    """Run the trials that are not finished; those that failed end the experiment, and are tried again by the next."""
    if options.force:
        for trial in trials:
            with sole_user(trial.folder):
                shutil.rmtree(trial.folder, ignore_errors=True)
    check_splits(trials, manifest)
    # Where the images are is no part of what a trial is: a moved checkout goes on with its runs.
    train = functools.partial(train_trial, data=ROOT / "data" / options.data, devices=options.devices)
    failed = run_trials(trials, train, options.engine, options.workers, options.address)
    if failed:
        raise SystemExit(
            f"{len(failed)} of {len(trials)} trials failed, see failed.txt in {sorted(map(str, failed))}"
        )


def check_splits(trials, manifest):
    """Refuse trials that were trained on other images: the grid knows their configurations alone."""
    parts = {}
    for trial in trials:
        division = tuple(trial.config[key] for key in ("protocol", "majority_share", "fold"))
        if division not in parts and (trial.folder / "split.csv").is_file():
            parts[division] = divide(trial.config, manifest)
        check_split(trial.folder, parts.get(division))


def parse(arguments):
    parser = make_parser(
        __doc__, PROFILES, f"{RED_CELLS_SAMPLE.name}, smear_phantom, chula_rbc or canine_rbc"
    )
    parser.add_argument(
        "--seeds", type=seed_number, nargs="+", default=[0, 1, 2], help="of Table 1; the first for the rest"
    )
    parser.add_argument("--engine", choices=["auto", *ENGINES], default="auto", help="what runs the grid")
    parser.add_argument(
        "--workers", type=positive_int, default=os.cpu_count(), help="processes, or workers of a local Ray"
    )
    parser.add_argument("--address", help="of an existing Ray cluster")
    options = parser.parse_args(arguments)
    if options.models != "all" or options.seed:
        parser.error("the rows of this study choose one another: --models must be all; seeds are --seeds")
    if len(set(options.seeds)) < len(options.seeds):
        parser.error(f"--seeds: expected every seed once; received {' '.join(map(str, options.seeds))}")
    if options.tensorboard:
        parser.error("--tensorboard is not offered here: history.csv of every trial holds its curves")
    resolve_options(
        options, ROOT / "data" / "canine_rbc", RED_CELLS_SAMPLE.name, lambda _: list(METHODS), list(METHODS)
    )
    if options.engine == "auto":
        on_processor = all("cpu" in name for name in devices()) and options.devices == 1
        options.engine = "processes" if on_processor else "sequential"
    if options.devices > 1 and options.engine != "sequential":
        parser.error(f"--devices {options.devices} needs --engine sequential; received {options.engine}")
    return options
