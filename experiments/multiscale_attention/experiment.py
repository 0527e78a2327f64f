"""Multi-scale attention residual network on fundus photographs, with the balanced softmax.

Poster: "Classification of Diabetic Retinopathy using Residual Learning with a Custom Balanced Softmax Loss",
Li Tong, Oxford Brookes University with Chengdu University of Technology.

    make reproduce-multiscale-attention                              synthetic images, minutes on two CPU cores
    make reproduce-multiscale-attention DATA=aptos2019 PROFILE=short
                                                                     small images on a CPU, up to hours a row
    make reproduce-multiscale-attention DATA=aptos2019 PROFILE=full  needs a GPU

Printed for APTOS 2019: micro-average accuracy 0.83 and macro-average 0.73 with five classes, 0.87 and 0.84 with
four. How five classes become four is not said: here Severe and Proliferate_DR are one. Left open by the poster
and chosen here: depth and widths (drcls/models/multiscale_attention.py), sizes of the parts of the split,
optimizer, learning rate, epochs and the amounts of augmentation. The `paper` protocol splits at random, as the
poster says no more: identical photographs fall on both sides. Measured figures: experiments/results/.
"""

from functools import partial
from pathlib import Path

from data_prep.labels import DR_CLASSES
from data_prep.phantoms.fundus import write_fundus
from drcls.data import ImageCache, split
from drcls.losses import BalancedSoftmaxCrossentropy
from drcls.models import build_backbone, build_multiscale_attention, build_transfer_classifier
from experiments.common.backbone import SHIPPED_BACKBONE
from experiments.common.callbacks import watch
from experiments.common.controls import CONTROLS, run_controls
from experiments.common.data import acquire, check_classes
from experiments.common.options import folder_name, make_parser, resolve_options
from experiments.common.run import audit, check_rows, identity, run_set_name, run_variant
from experiments.common.training import fit_on_smaller_images, train_and_predict
from experiments.multiscale_attention.external import check_other_data_set, measure_elsewhere
from experiments.multiscale_attention.report import write_multiscale_attention_report

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = {"fundus_phantom": write_fundus}

CONFIG = {
    "fractions": (0.7, 0.1, 0.2),
    "split_seed": 1,
    "batch_size": 16,
    "augmentation": {
        "rotation_range": 30,
        "horizontal_flip": True,
        "vertical_flip": True,
        "brightness_range": (0.8, 1.2),
        "channel_shift_range": 10,
        "fill_mode": "nearest",
    },
    "warmup_share": 0.05,
    "monitor": "val_macro_f1",
}
PROFILES = {
    "quick": {"image_size": 64, "epochs": 8, "learning_rate": 1e-3, "policy": "float32"},
    "short": {"image_size": 96, "epochs": 30, "learning_rate": 1e-3, "policy": "float32"},
    "full": {"image_size": 224, "epochs": 60, "learning_rate": 1e-3, "policy": "mixed_bfloat16"},
}
# From random weights: 100 epochs, the first 70 on smaller images, with AdamW and averaged weights. The last epoch is
# kept, because a few hundred validation images would choose among epochs by noise.
LONG_TRAINING = {
    "smaller_images": [[48, 40], [64, 30]],
    "weight_decay": 0.05,
    "ema_momentum": 0.99,
    "monitor": None,
}
# A pretrained network learns within a few epochs, on larger images.
PRETRAINED_TRAINING = LONG_TRAINING | {
    "smaller_images": None,
    "weight_decay": 0.01,
    "image_size": 128,
    "epochs": 15,
    "batch_size": 32,
}
STRATEGIES = {"paper": "random", "clean": "grouped"}
# Five classes become four.
MERGED, MERGED_NAME = ["Severe", "Proliferate_DR"], "Severe_or_Proliferate_DR"

NETWORK = "MultiScaleAttention"
# Row: what differs from the poster's network.
VARIANTS = {
    NETWORK: {},
    "without_squeeze_excitation": {"squeeze_excitation": False},
    "without_wavelet": {"wavelet": None},
    "without_attention": {"attention": False},
    "without_balanced_softmax": {"balanced": False},
    # The encoders normalise before each part instead of after: the poster does not say which.
    "norm_first": {"norm_first": True},
    "norm_first_without_balanced_softmax": {"norm_first": True, "balanced": False},
    # Under a million weights, which the poster names as future work.
    "lightweight": {"widths": (16, 32, 48, 64)},
    # An ImageNet network under the balanced softmax, future work of the poster too.
    "pretrained": {"backbone": SHIPPED_BACKBONE},
    "pretrained_without_balanced_softmax": {"backbone": SHIPPED_BACKBONE, "balanced": False},
}
# What two CPU cores train within minutes, beside the controls that need no training.
QUICK_MODELS = (*CONTROLS, NETWORK, "without_balanced_softmax", "lightweight")


def main(arguments=None):
    options = parse(arguments)
    run_set = ROOT / options.runs / "multiscale_attention"
    manifest = acquire(ROOT / "data" / options.data, STAND_INS)
    check_classes(manifest, DR_CLASSES)
    if not options.report_only:
        if options.external:
            check_other_data_set(acquire(ROOT / "data" / options.external, STAND_INS), manifest)
        for num_classes in options.classes:
            graded = manifest if num_classes == 5 else merge(manifest)
            run_all(options, graded, run_set)
    page = write_multiscale_attention_report(run_set, manifest, options.data, options.profile)
    print(f"report: {page}")


def merge(manifest):
    """Make four classes of five."""
    return manifest.merge_classes(MERGED, MERGED_NAME)


def run_all(options, manifest, run_set):
    """Every row under every protocol."""
    data = options.data if len(manifest.classes) == 5 else f"{options.data}_{len(manifest.classes)}_classes"
    models = options.models
    if options.profile == "quick" and len(manifest.classes) == 4 and NETWORK in models:
        models = [NETWORK]  # what is asked of the parts is answered with five classes
    for protocol in options.protocols:
        parts = split(manifest, CONFIG["fractions"], CONFIG["split_seed"], STRATEGIES[protocol])
        leakage = audit(parts, protocol)
        home = run_set / run_set_name(data, protocol, options.profile, options.seed)
        check_rows(home, parts, models if options.force else ())
        row = identity(options, protocol) | {key: CONFIG[key] for key in ("fractions", "split_seed")}
        run_controls(models, row | {"data": data}, parts, leakage, home, options.force)
        for variant in (name for name in models if name not in CONTROLS):
            config, folder = make_config(variant, options, protocol, data), home / variant
            fit = partial(train_network, config, manifest, parts, folder, options.tensorboard)
            run_variant(folder, config, parts, leakage, fit, options.force, options.devices)
            if options.external:
                measure_elsewhere(folder, other_data_set(options.external, manifest), manifest, config)


def other_data_set(name, manifest):
    """A further data set with the same grades as the one trained on."""
    other = acquire(ROOT / "data" / name, STAND_INS)
    return merge(other) if len(manifest.classes) == 4 else other


def make_config(variant, options, protocol, data):
    """Everything a run depends on, as `config.json`."""
    row = {"variant": variant, **identity(options, protocol), "data": data}
    config, network = row | CONFIG | PROFILES[options.profile], VARIANTS[variant]
    if options.profile == "short":
        config |= LONG_TRAINING
    if "backbone" in network:
        config |= PRETRAINED_TRAINING
    if options.epochs:
        config |= {"epochs": options.epochs, "smaller_images": None}
    return config | {"network": network}


def train_network(config, manifest, parts, folder, tensorboard=False):
    """The network and its balanced softmax, trained with flips, rotations and colour changes."""
    classes, network = parts["train"].classes, dict(config["network"])
    balanced = network.pop("balanced", True)

    def build(side):
        if "backbone" in network:
            return build_transfer_classifier(build_backbone(network["backbone"], side, "imagenet"), classes)
        return build_multiscale_attention(side, classes, **network)

    counts = parts["train"].counts().tolist()
    loss = BalancedSoftmaxCrossentropy(counts, from_logits=False) if balanced else "categorical_crossentropy"
    weights = fit_on_smaller_images(build, loss, config, manifest, parts, folder, tensorboard)
    model = build(config["image_size"])
    if weights:
        model.set_weights(weights)
    cache = ImageCache(manifest, config["image_size"])
    callbacks = watch(folder, tensorboard)
    probabilities, best = train_and_predict(model, loss, config, cache, parts, folder, callbacks)
    return probabilities, f"best epoch {best} of {config['epochs']}; {model.count_params():,} weights"


def parse(arguments):
    parser = make_parser(__doc__, PROFILES, "fundus_phantom, aptos2019, ddr or eyepacs2015")
    parser.add_argument(
        "--classes", type=int, nargs="+", choices=[4, 5], default=[5, 4], help="five grades, four, or both"
    )
    parser.add_argument(
        "--external", type=folder_name, help="a further prepared data set to test on, for example eyepacs2015"
    )

    known = [*CONTROLS, *VARIANTS]

    def all_models(options):
        return list(QUICK_MODELS) if options.profile == "quick" else known

    options = parser.parse_args(arguments)
    return resolve_options(options, ROOT / "data" / "aptos2019", "fundus_phantom", all_models, known)
