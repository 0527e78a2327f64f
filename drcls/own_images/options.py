"""What `train_classifier` can be asked for, by name, and which of it does not go together. Imports no Keras."""

LOSSES = ("cross_entropy", "weighted", "balanced_softmax", "focal")
SAMPLERS = ("none", "over", "under", "smote")
PARTS = ("cbam", "drop_block", "transformer")
BACKBONES = (
    "EfficientNetLite0",
    "MobileNet",
    "MobileNetV2",
    "ResNet50",
    "DenseNet121",
    "DenseNet201",
    "CheXNet",
    "InceptionV3",
    "Xception",
    "InceptionResNetV2",
    "VGG19",
)
CLASSIFIER_HEADS = ("dense", "logistic_regression")
# The name of each split here and in `drcls.data.split`; `as-given` keeps the parts that the source came in.
STRATEGY_OF_PROTOCOL = {"clean": "grouped", "random": "random", "as-given": "official_validated"}


def check_options(parts, loss, sampler, frozen, head, protocol, devices=1, epochs=None, learning_rate=None):
    """Refuse names that are unknown, and options that exclude each other.

    Args:
        parts, loss, sampler, frozen, head, protocol, devices, epochs, learning_rate: as for `train_classifier`.

    Raises:
        ValueError: with what was received and what to do instead.
    """
    given = {"loss": (loss, LOSSES), "sampler": (sampler, SAMPLERS), "head": (head, CLASSIFIER_HEADS)}
    given |= {f"part {part}": (part, PARTS) for part in parts}
    given |= {"protocol": (protocol, STRATEGY_OF_PROTOCOL)}
    for name, (value, allowed) in given.items():
        if value not in allowed:
            raise ValueError(f"{name}: received {value!r}, expected one of {', '.join(allowed)}")
    if sampler == "smote" and not frozen:
        raise ValueError(
            "sampler smote makes new rows of embeddings, not new images; it needs a frozen backbone"
        )
    if head == "logistic_regression" and not frozen:
        raise ValueError("head logistic_regression is fitted on embeddings; it needs a frozen backbone")
    if head == "logistic_regression" and loss not in ("cross_entropy", "weighted"):
        raise ValueError(
            f"logistic regression knows the losses cross_entropy and weighted; received {loss!r}"
        )
    steps = {"epochs": epochs, "learning_rate": learning_rate}
    given = [f"{name} {value}" for name, value in steps.items() if value is not None]
    if head == "logistic_regression" and given:
        raise ValueError(
            f"logistic regression is solved in one go, without epochs or a learning rate; received "
            f"{' and '.join(given)}; leave them out"
        )
    if frozen and devices != 1:
        raise ValueError(
            f"a head on a frozen backbone is trained on one device; received {devices}; leave out one of the two"
        )
    if frozen and parts:
        raise ValueError(
            f"the parts {', '.join(parts)} learn on feature maps, and a frozen backbone gives pooled embeddings; "
            "leave out one of the two"
        )
    if sampler != "none" and loss in ("weighted", "balanced_softmax"):
        raise ValueError(
            f"sampler {sampler} makes all classes equally large, and then loss {loss} is the cross-entropy; "
            "choose one of the two"
        )
