"""The side of the training-step comparison that is written in plain PyTorch.

python -m benchmarks.pytorch_side NAME     with KERAS_BACKEND=torch; Keras only draws the weights
"""

import sys

import torch

from benchmarks.pytorch_networks import build, set_weights
from benchmarks.training_step import CLASSES, LEARNING_RATE, NETWORKS, build_network, one_batch


def main(name):
    """Compile a network; then for every line that is read, train some steps and print their mean loss."""
    images, labels = (torch.from_numpy(array) for array in one_batch(name))
    images = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    network = build(name, len(CLASSES))
    set_weights(network, build_network(name).get_weights())
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=1e-7, fused=True)
    cost = torch.nn.CrossEntropyLoss()
    compiled = torch.compile(network)
    for _ in sys.stdin:
        losses = []
        for _ in range(NETWORKS[name][2]):
            optimizer.zero_grad(set_to_none=True)
            loss = cost(compiled(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(sum(losses) / len(losses), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
