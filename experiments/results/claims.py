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
# In the order of the tables, in groups: first the experiment, data and profile of a group, then the rest of each claim.
GROUPS = [
    [
        ("chexnet_cbam", "aptos2019", "short"),
        (
            ALL_PARTS,
            "CheXNet_CBAM, retinopathy (Table 4)",
            "96.12",
            "EfficientNet-Lite0 with the paper's parts, APTOS 2019",
        ),
        ("CheXNet_CBAM", "the paper's own network from random weights, 64 px", "96.12"),
        (f"{ALL_PARTS}_15_epochs", "the first row with 15 instead of 7 epochs", "96.12"),
        (f"{ALL_PARTS}_reported_augmentation", "the first row with the reported augmentation"),
        ("EfficientNetLite0", "the first row without CBAM, DropBlock and Transformer"),
        (f"{ALL_PARTS}_mean_of_seeds", "the mean of three seeds and eight orientations, with all parts"),
        ("EfficientNetLite0_160_px", "the first row without these parts on images of 160 instead of 128 px"),
        (
            "EfficientNetLite0_160_px_mean_of_seeds",
            "the mean of three seeds and eight orientations, without parts, 160 px",
        ),
        ("frozen_features_head", "one hidden layer on frozen ImageNet features"),
        ("forest_on_frozen_features", "trees on frozen ImageNet features"),
        ("file_hash_dictionary", "a dictionary from file hash to label, no pixel read"),
        ("majority", "the largest class for every image"),
    ],
    [
        ("multiscale_attention", "aptos2019", "short"),
        (
            "MultiScaleAttention",
            "multi-scale attention, retinopathy, five classes",
            "83",
            "the poster's network at up to 96 px, APTOS 2019",
        ),
        ("without_attention", "the same without its attention"),
        ("without_balanced_softmax", "the same without the balanced softmax"),
        ("norm_first", "the same with pre-norm encoders"),
        (
            "norm_first_without_balanced_softmax",
            "the same with pre-norm encoders, without the balanced softmax",
        ),
        ("without_squeeze_excitation", "the same without squeeze and excitation"),
        ("lightweight", "a lightweight network"),
    ],
    [
        ("multiscale_attention", "aptos2019_4_classes", "short"),
        ("MultiScaleAttention", "multi-scale attention, four classes", "87"),
    ],
    [
        ("multiscale_attention", "aptos2019", "short"),
    ],
    [
        ("multiscale_attention", "aptos2019_4_classes", "short"),
    ],
    [
        ("multiscale_attention", "aptos2019", "short"),
        ("pretrained", "an ImageNet network under the balanced softmax, five classes"),
        (
            "pretrained_without_balanced_softmax",
            "an ImageNet network without the balanced softmax, five classes",
        ),
        ("majority", "the largest class for every image, five classes"),
    ],
    [
        ("smote_transfer", "aptos2019", "short"),
        (
            "EfficientNetLite0+SMOTE",
            "SMOTE on embeddings, retinopathy",
            None,
            "learners on features of EfficientNet-Lite0, APTOS 2019",
        ),
        ("EfficientNetLite0+none", "the same without resampling"),
        ("squeezenet+SMOTE", "the first row on SqueezeNet, hyperparameters tuned without resampling"),
        ("majority", "the largest class for every image, retinopathy"),
    ],
    [
        ("smote_transfer", "brain_tumor_mri", "short"),
        ("EfficientNetLite0+SMOTE", "SMOTE on embeddings, brain tumours"),
        ("EfficientNetLite0+none", "the same without resampling, brain tumours"),
        (
            "squeezenet+SMOTE",
            "SMOTE on SqueezeNet's embeddings, brain tumours, hyperparameters tuned without resampling",
        ),
    ],
    [
        ("blood_cells", "blood_cells", "short"),
        (
            "EfficientNetLite0+fine_tuned",
            "last block trained, blood cells, validation (Table 3)",
            "98.18",
            "EfficientNet-Lite0, last block trained, Acevedo et al. 2020",
        ),
        ("EfficientNetLite0", "frozen ResNet50, blood cells, validation (Table 2)", "87.32"),
        ("EfficientNetLite0+all_layers", "all layers trained"),
        (
            "four_inception_blocks",
            "one of the paper's own networks, four inception blocks, validation (section 3.1, about)",
            "94",
        ),
        ("three_residual_blocks", "another of them, three residual blocks", "94"),
        ("five_conv_blocks", "another of them, five conv blocks", "94"),
        ("squeezenet", "SqueezeNet 1.1, frozen"),
        ("squeezenet+fine_tuned", "SqueezeNet 1.1, last block trained for four epochs"),
    ],
    [
        ("canine_rbc_focal", "chula_rbc", "short"),
        (
            "tiny_densenet+focal_1.50",
            "DenseNet-121, focal loss, dogs' red cells (Table 1)",
            "95.60",
            "a tiny DenseNet, human cells (Chula RBC-12)",
        ),
        ("tiny_densenet+cross_entropy", "DenseNet-121, cross-entropy, the same (Table 1)", "91.30"),
    ],
    [
        ("canine_rbc_focal", "chula_rbc", "long"),
        ("tiny_densenet+focal_1.75", "focal loss, alpha 1.75, up to 100 epochs"),
        ("tiny_densenet+cross_entropy", "cross-entropy, up to 100 epochs"),
    ],
    [
        ("canine_rbc_focal", "chula_rbc", "short"),
        ("file_hash_dictionary", "a dictionary from file hash to label, red cells, no pixel read"),
        ("majority", "the largest class for every image, red cells"),
    ],
]
CLAIMS = [Claim(*place, *claim) for place, *claims in GROUPS for claim in claims]


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
