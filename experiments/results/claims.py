"""The papers' claims: which committed row of our own stands beside which reported figure."""

from dataclasses import dataclass

from drcls.report import select_runs
from experiments.results.runs import committed_runs

# The order of the papers in the README.
EXPERIMENTS = ("chexnet_cbam", "multiscale_attention", "smote_transfer", "canine_rbc_focal", "blood_cells")


@dataclass(frozen=True)
class Claim:
    """What a paper says first, and the measured row that stands beside it.

    Args:
        experiment, data, profile, variant: str, which of the committed rows.
        what: the paper's network and data, and where the figure is printed; or what our own row shows.
        printed: accuracy in percent as printed, or None.
        trained: what that row trained on which images, for a paper's first claim; "" for the others.
    """

    experiment: str
    data: str
    profile: str
    variant: str
    what: str
    printed: str | None = None
    trained: str = ""


ALL_PARTS = "EfficientNetLite0_CBAM_DropBlock_Transformer"
# Experiment, data and profile of a claim.
CHEXNET_CBAM = ("chexnet_cbam", "aptos2019", "short")
MULTISCALE = ("multiscale_attention", "aptos2019", "short")
MULTISCALE_4_CLASSES = ("multiscale_attention", "aptos2019_4_classes", "short")
SMOTE_EYES = ("smote_transfer", "aptos2019", "short")
SMOTE_BRAINS = ("smote_transfer", "brain_tumor_mri", "short")
BLOOD_CELLS = ("blood_cells", "blood_cells", "short")
RED_CELLS = ("canine_rbc_focal", "chula_rbc", "short")
RED_CELLS_LONG = ("canine_rbc_focal", "chula_rbc", "long")
# In the order of the tables.
CLAIMS = [
    Claim(
        *CHEXNET_CBAM,
        ALL_PARTS,
        "CheXNet_CBAM, retinopathy (Table 4)",
        "96.12",
        "EfficientNet-Lite0 with the paper's parts, APTOS 2019",
    ),
    Claim(*CHEXNET_CBAM, "CheXNet_CBAM", "the paper's own network from random weights, 64 px", "96.12"),
    Claim(*CHEXNET_CBAM, "MobileNetV2", "its MobileNetV2 (Table 4) from random weights, 64 px", "95.02"),
    Claim(*CHEXNET_CBAM, f"{ALL_PARTS}_15_epochs", "the first row with 15 instead of 7 epochs", "96.12"),
    Claim(
        *CHEXNET_CBAM, f"{ALL_PARTS}_reported_augmentation", "the first row with the reported augmentation"
    ),
    Claim(*CHEXNET_CBAM, "EfficientNetLite0", "the first row without CBAM, DropBlock and Transformer"),
    Claim(
        *CHEXNET_CBAM,
        f"{ALL_PARTS}_mean_of_seeds",
        "the mean of three seeds and eight orientations, with all parts",
    ),
    Claim(
        *CHEXNET_CBAM,
        "EfficientNetLite0_160_px",
        "the first row without these parts on images of 160 instead of 128 px",
    ),
    Claim(
        *CHEXNET_CBAM,
        "EfficientNetLite0_160_px_mean_of_seeds",
        "the mean of three seeds and eight orientations, without parts, 160 px",
    ),
    Claim(*CHEXNET_CBAM, "frozen_features_head", "one hidden layer on frozen ImageNet features"),
    Claim(*CHEXNET_CBAM, "forest_on_frozen_features", "trees on frozen ImageNet features"),
    Claim(*CHEXNET_CBAM, "file_hash_dictionary", "a dictionary from file hash to label, no pixel read"),
    Claim(*CHEXNET_CBAM, "majority", "the largest class for every image"),
    Claim(
        *MULTISCALE,
        "MultiScaleAttention",
        "multi-scale attention, retinopathy, five classes",
        "83",
        "the poster's network at up to 96 px, APTOS 2019",
    ),
    Claim(*MULTISCALE, "without_attention", "the same without its attention"),
    Claim(*MULTISCALE, "without_balanced_softmax", "the same without the balanced softmax"),
    Claim(*MULTISCALE, "norm_first", "the same with pre-norm encoders"),
    Claim(
        *MULTISCALE,
        "norm_first_without_balanced_softmax",
        "the same with pre-norm encoders, without the balanced softmax",
    ),
    Claim(*MULTISCALE, "without_squeeze_excitation", "the same without squeeze and excitation"),
    Claim(*MULTISCALE, "lightweight", "a lightweight network"),
    Claim(*MULTISCALE_4_CLASSES, "MultiScaleAttention", "multi-scale attention, four classes", "87"),
    Claim(*MULTISCALE, "pretrained", "an ImageNet network under the balanced softmax, five classes"),
    Claim(
        *MULTISCALE,
        "pretrained_without_balanced_softmax",
        "an ImageNet network without the balanced softmax, five classes",
    ),
    Claim(*MULTISCALE, "majority", "the largest class for every image, five classes"),
    Claim(
        *SMOTE_EYES,
        "EfficientNetLite0+SMOTE",
        "SMOTE on embeddings, retinopathy",
        trained="learners on features of EfficientNet-Lite0, APTOS 2019",
    ),
    Claim(*SMOTE_EYES, "EfficientNetLite0+none", "the same without resampling"),
    Claim(
        *SMOTE_EYES,
        "squeezenet+SMOTE",
        "the first row on SqueezeNet, hyperparameters tuned without resampling",
    ),
    Claim(*SMOTE_EYES, "majority", "the largest class for every image, retinopathy"),
    Claim(*SMOTE_BRAINS, "EfficientNetLite0+SMOTE", "SMOTE on embeddings, brain tumours"),
    Claim(*SMOTE_BRAINS, "EfficientNetLite0+none", "the same without resampling, brain tumours"),
    Claim(
        *SMOTE_BRAINS,
        "squeezenet+SMOTE",
        "SMOTE on SqueezeNet's embeddings, brain tumours, hyperparameters tuned without resampling",
    ),
    Claim(
        *BLOOD_CELLS,
        "EfficientNetLite0+fine_tuned",
        "last block trained, blood cells, validation (Table 3); leak-free: test images",
        "98.18",
        "EfficientNet-Lite0, last block trained, Acevedo et al. 2020",
    ),
    Claim(*BLOOD_CELLS, "EfficientNetLite0", "frozen ResNet50, blood cells, validation (Table 2)", "87.32"),
    Claim(*BLOOD_CELLS, "EfficientNetLite0+all_layers", "all layers trained"),
    Claim(
        *BLOOD_CELLS,
        "four_inception_blocks",
        "the paper's own networks together, validation (section 3.1: about 94); here four inception blocks",
        "94",
    ),
    Claim(*BLOOD_CELLS, "three_residual_blocks", "another of its own networks, three residual blocks"),
    Claim(*BLOOD_CELLS, "five_conv_blocks", "another of its own networks, five conv blocks"),
    Claim(*BLOOD_CELLS, "squeezenet", "SqueezeNet 1.1, frozen"),
    Claim(*BLOOD_CELLS, "squeezenet+fine_tuned", "SqueezeNet 1.1, last block trained for four epochs"),
    Claim(
        *RED_CELLS,
        "tiny_densenet+focal_1.50",
        "DenseNet-121, focal loss, dogs' red cells (Table 1)",
        "95.60",
        "a tiny DenseNet, human cells (Chula RBC-12)",
    ),
    Claim(
        *RED_CELLS, "tiny_densenet+cross_entropy", "DenseNet-121, cross-entropy, the same (Table 1)", "91.30"
    ),
    Claim(*RED_CELLS_LONG, "tiny_densenet+focal_1.75", "focal loss, alpha 1.75, up to 100 epochs"),
    Claim(*RED_CELLS_LONG, "tiny_densenet+cross_entropy", "cross-entropy, up to 100 epochs"),
    Claim(
        *RED_CELLS, "file_hash_dictionary", "a dictionary from file hash to label, red cells, no pixel read"
    ),
    Claim(*RED_CELLS, "majority", "the largest class for every image, red cells"),
]


def runs_of(results, claim, protocol):
    """Return the committed runs of a claim's row under one protocol, list of dict by seed.

    Args:
        results: Path of the folder with the committed JSON files.
        claim: `Claim`.
        protocol: str, paper or clean.
    """
    return select_runs(
        committed_runs(results),
        experiment=claim.experiment,
        data=claim.data,
        protocol=protocol,
        profile=claim.profile,
        variant=claim.variant,
    )
