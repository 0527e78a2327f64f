"""The networks of the training-step comparison in plain PyTorch, with weights of the same order and shapes as in Keras.

Layers are created in the order of the Keras networks, so that `set_weights` can hand weights over one by one.
"""

import torch
from torch import nn

from benchmarks.squeezenet import FIRES
from drcls.models.backbones import IMAGENET_MEAN, IMAGENET_STANDARD_DEVIATION
from drcls.models.efficientnet_lite import STAGES, STEM_CHANNELS, TOP_CHANNELS

DENSE_BLOCKS, GROWTH, BOTTLENECK = (6, 12, 24, 16), 32, 128


def build(name, num_classes):
    """Return a network from float32 (N, 3, H, W) in 0..255 to scores (N, num_classes)."""
    features, channels = {"DenseNet121": densenet121, "EfficientNetLite0": lite0, "SqueezeNet": squeezenet}[
        name
    ]()
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def set_weights(network, weights):
    """Give a network the weights of a Keras one.

    Args:
        network: torch.nn.Module from `build`.
        weights: list of float32 arrays in the order of the Keras layers.

    Raises:
        ValueError: where weights are left, or a shape does not fit.
    """
    weights = iter(weights)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernel = torch.from_numpy(next(weights))
            order = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
            module.weight.data.copy_(kernel.permute(*order))
            if module.bias is not None:
                module.bias.data.copy_(torch.from_numpy(next(weights)))
        elif isinstance(module, nn.BatchNorm2d):
            for value in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                value.copy_(torch.from_numpy(next(weights)))
        elif isinstance(module, nn.Linear):
            module.weight.data.copy_(torch.from_numpy(next(weights)).T)
            module.bias.data.copy_(torch.from_numpy(next(weights)))
    left = sum(1 for _ in weights)
    if left:
        raise ValueError(f"{left} weights of the Keras network found no place")


class Scaled(nn.Module):
    """Images in 0..255 less a mean, over a deviation; each a number or one for every colour."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).reshape(-1, 1, 1))

    def forward(self, images):
        return (images - self.mean) / self.deviation


class Joined(nn.Module):
    """The channels of several branches side by side; `nn.Identity()` keeps the input itself."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, features):
        return torch.cat([branch(features) for branch in self.branches], 1)


class Added(nn.Module):
    """The input plus what a branch makes of it."""

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, features):
        return features + self.branch(features)


def densenet121():
    mean, deviation = (
        [255 * value for value in values] for values in (IMAGENET_MEAN, IMAGENET_STANDARD_DEVIATION)
    )
    layers = [Scaled(mean, deviation), nn.Conv2d(3, 64, 7, 2, 3, bias=False), *_norm_act(64)]
    layers.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for number, num_layers in enumerate(DENSE_BLOCKS):
        for _ in range(num_layers):
            grown = nn.Sequential(
                *_norm_act(channels),
                nn.Conv2d(channels, BOTTLENECK, 1, bias=False),
                *_norm_act(BOTTLENECK),
                nn.Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False),
            )
            layers.append(Joined(nn.Identity(), grown))
            channels += GROWTH
        layers += _norm_act(channels)
        if number + 1 < len(DENSE_BLOCKS):
            layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    return layers, channels


def _norm_act(channels):
    return nn.BatchNorm2d(channels, eps=1.001e-5), nn.ReLU(inplace=True)


def lite0():
    layers = [Scaled([127.0], [128.0]), *_conv_norm(3, STEM_CHANNELS, 3, 2), nn.ReLU6(inplace=True)]
    channels = STEM_CHANNELS
    for kernel_size, first_stride, expansion, width, num_blocks in STAGES:
        for number in range(num_blocks):
            stride, wide = first_stride if number == 0 else 1, expansion * channels
            block = [*_conv_norm(channels, wide, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
            block += [*_conv_norm(wide, wide, kernel_size, stride, groups=wide), nn.ReLU6(inplace=True)]
            block = nn.Sequential(*block, *_conv_norm(wide, width, 1))
            layers.append(Added(block) if stride == 1 and width == channels else block)
            channels = width
    layers += [*_conv_norm(channels, TOP_CHANNELS, 1), nn.ReLU6(inplace=True)]
    return layers, TOP_CHANNELS


def _conv_norm(channels, width, kernel_size, stride=1, groups=1):
    """TensorFlow pads an image of even side at stride 2 by one pixel less before than behind."""
    whole = kernel_size - stride
    before, behind = whole // 2, whole - whole // 2
    padded = [nn.ZeroPad2d((before, behind, before, behind))] if before != behind else []
    padding = 0 if padded else before
    convolution = nn.Conv2d(channels, width, kernel_size, stride, padding, groups=groups, bias=False)
    return *padded, convolution, nn.BatchNorm2d(width, eps=1e-3)


def squeezenet():
    layers = [Scaled([127.5], [127.5]), nn.Conv2d(3, 64, 3, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
    channels = 64
    for fire in FIRES:
        if fire is None:
            layers.append(nn.MaxPool2d(3, 2))
            continue
        squeezed, expanded = fire
        layers += [nn.Conv2d(channels, squeezed, 1), nn.ReLU(inplace=True)]
        sides = [
            nn.Sequential(nn.Conv2d(squeezed, expanded, size, padding=size // 2), nn.ReLU(inplace=True))
            for size in (1, 3)
        ]
        layers.append(Joined(*sides))
        channels = 2 * expanded
    return layers, channels
