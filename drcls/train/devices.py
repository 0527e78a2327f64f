"""Training on several devices of one machine, each of which computes its share of every batch."""

import contextlib
import functools

import keras
import numpy as np

from drcls.environment import devices


@contextlib.contextmanager
def use_devices(number=1):
    """Build, compile and train a model on several devices: `DataParallel` on JAX, `MirroredStrategy` on TensorFlow.

    Everything that is done with the model belongs inside, up to its predictions. `train` divides each batch among the
    devices; what is measured is divided on TensorFlow alone, and batch-norm statistics never. The weights are those
    of one device but for rounding. Batch normalisation is the exception: on TensorFlow it averages over the share of
    each device; on JAX over the whole batch, in the last of an epoch with the images that fill it up (`EqualShares`).

    Args:
        number: int, devices to use, or `"all"`; 1 changes nothing.

    Raises:
        ValueError: where there are fewer, or the backend (PyTorch) trains on one only.

    Example:
        >>> from drcls.models import build_tiny_resnet
        >>> with use_devices(1):
        ...     model = build_tiny_resnet(48, ["normal", "abnormal"])
    """
    number = check_devices(number)
    if number == 1:
        yield
    elif keras.backend.backend() == "jax":
        with _Shares(devices=devices()[:number]).scope():
            yield
    else:
        with _mirrored(number).scope():
            yield


def check_devices(number, batch_size=None):
    """Return how many devices a training uses, after checking that there are so many and that they divide a batch.

    Args:
        number: int, or `"all"` for every device that the backend sees.
        batch_size: int, or None: not checked.

    Raises:
        ValueError: with what there is.
    """
    if number == 1:
        return 1
    found, backend = devices(), keras.backend.backend()
    number = len(found) if number == "all" else number
    if number > 1 and backend not in ("jax", "tensorflow"):
        raise ValueError(
            f"{backend} trains on one device; received {number}. Set KERAS_BACKEND=jax or tensorflow"
        )
    if not 1 <= number <= len(found):
        raise ValueError(f"expected 1 to {len(found)} devices ({', '.join(found)}); received {number}")
    if batch_size is not None:
        check_batch_size(batch_size, number)
    return number


def check_batch_size(batch_size, number):
    """Refuse a batch that a number of devices does not divide; both int."""
    if batch_size % number:
        raise ValueError(
            f"{number} devices do not divide a batch of {batch_size} images; expected a multiple of {number}, "
            "or another number of devices"
        )


def num_devices():
    """Return how many devices the innermost `use_devices` uses, int."""
    if keras.backend.backend() == "jax":
        distribution = keras.distribution.distribution()
        return 1 if distribution is None else distribution.device_mesh.devices.size
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    return 1


class EqualShares(keras.utils.PyDataset):
    """Batches that the devices divide: the last one is filled up with images of its own that weigh nothing.

    The weights of the others make up for it, so that loss and gradients are those of the last batch as it was.

    Args:
        batches: `Batches` of the training part.
        number: int, devices.

    Each item is `(images, labels, weights)`: as in `Batches`, and float32 (B,).
    """

    def __init__(self, batches, number):
        super().__init__(workers=batches.workers, max_queue_size=batches.max_queue_size)
        self.batches, self.number = batches, number

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        images, labels = self.batches[index]
        filled = -(-len(images) // self.number) * self.number
        rows = np.arange(filled)
        weights = np.where(rows < len(images), filled / len(images), 0).astype(np.float32)
        rows %= len(images)
        return images[rows], labels[rows], weights

    def on_epoch_end(self):
        self.batches.on_epoch_end()


class DivideBatches(keras.callbacks.Callback):
    """On JAX, divide batches among the devices while an epoch trains; what is measured in between comes whole."""

    def on_epoch_begin(self, epoch, logs=None):
        self._divide(True)

    def on_epoch_end(self, epoch, logs=None):
        self._divide(False)

    def _divide(self, divides):
        distribution = keras.distribution.distribution()
        if isinstance(distribution, _Shares):
            distribution.divides = divides


class _Shares(keras.distribution.DataParallel):
    """Data parallelism that hands out whole batches unless it is told to divide them.

    Keras takes the layout of all batches from the first, and what is measured may end with an indivisible one.
    """

    divides = False

    def get_data_layout(self, data_shape):
        if self.divides:
            return super().get_data_layout(data_shape)
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)


@functools.lru_cache
def _mirrored(number):
    """One strategy for a number of devices: a model that is kept for a second training stays with its own."""
    import tensorflow as tf

    kind = devices()[0].split(":")[0].upper()
    return tf.distribute.MirroredStrategy([d.name for d in tf.config.list_logical_devices(kind)][:number])
