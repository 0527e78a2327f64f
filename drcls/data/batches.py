"""From the image cache to the network: batches of float32 images and one-hot labels."""

import hashlib
import os

import keras
import numpy as np

# With one thread Keras leaves reading ahead to TensorFlow, whose autotuning often sleeps for seconds after the last
# step of an epoch. Starting and stopping threads takes a tenth of a second, too long for an epoch of few batches.
LONG_EPOCH = 8
READERS = max(2, (os.cpu_count() or 1) // 2)


class Batches(keras.utils.PyDataset):
    """Batches of one part of a data set, shuffled and augmented where asked.

    Every image's augmentation is drawn from (seed, epoch, position), so a batch is the same whichever thread
    makes it and whether or not training was interrupted before it.

    Args:
        cache: the `ImageCache` of the whole data set.
        part: `Manifest` of the part; a row that stands twice is shown twice an epoch.
        batch_size: int.
        augmenter: `Augmenter` or None.
        augment_duplicates_only: bool, augment only the second and further times that a row is in the part, each
            once and for all epochs: oversampling by augmentation, as if new images had been saved.
        shuffle: bool, a new order each epoch.
        seed: int.
        workers: int, threads that make batches ahead of the device; None: half of the cores, at least two, or one
            where an epoch has fewer than 8 batches.
        batch_augmentation: function (images, labels, seed) -> (images, labels) of a whole batch, after
            `augmenter`, such as `BatchAugmentation`; or None.

    Each item is `(images, labels)`: float32 (B, H, W, 3) in 0..255 and one-hot float32 (B, C).
    """

    def __init__(
        self,
        cache,
        part,
        batch_size,
        augmenter=None,
        shuffle=False,
        seed=0,
        workers=None,
        augment_duplicates_only=False,
        batch_augmentation=None,
        **kwargs,
    ):
        if len(part) == 0:
            raise ValueError(f"{part.root}: a part without images cannot be batched")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; received {batch_size}")
        if workers is None:
            workers = READERS if len(part) >= LONG_EPOCH * batch_size else 1
        super().__init__(workers=workers, max_queue_size=4 * workers, **kwargs)
        self.cache, self.part = cache, part
        self.batch_size, self.augmenter, self.shuffle, self.seed = batch_size, augmenter, shuffle, seed
        self.augment_duplicates_only = augment_duplicates_only
        self._is_repeat = part.frame["path"].duplicated().to_numpy()
        self.batch_augmentation = batch_augmentation
        self._rows = cache.rows(part)
        self._one_hot = np.eye(len(part.classes), dtype=np.float32)[part.labels]
        self.start(0)

    def __len__(self):
        return -(-len(self._rows) // self.batch_size)

    def __getitem__(self, index):
        positions = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        images = np.empty((len(positions), *self.cache.images.shape[1:]), dtype=np.float32)
        for image, position in zip(images, positions, strict=True):
            image[:] = self._image(position)
        labels = self._one_hot[positions]
        if self.batch_augmentation is None:
            return images, labels
        seed = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)[0]
        return self.batch_augmentation(images, labels, int(seed) >> 1)

    def unaugmented(self, num_images=None):
        """Return batches of the same part without augmentation, in one random order for every epoch.

        Batch-norm statistics are computed from them. The order is random because a part is often sorted by class,
        and a batch of one class does not vary as training batches do.

        Args:
            num_images: int, at most so many images; None: all. Rounded down to whole batches.
        """
        rows = np.random.default_rng([self.seed, 0]).permutation(len(self.part))[:num_images]
        whole = max(len(rows) // self.batch_size, 1) * self.batch_size
        return Batches(self.cache, self.part.select(rows[:whole]), self.batch_size, seed=self.seed)

    def fingerprint(self):
        """Return what tells these batches from others, in 16 hexadecimal digits.

        It changes with the images and labels in their order, their size, and everything that decides how they are
        shown.
        """
        frame = self.part.frame
        mix = self.batch_augmentation
        mix = getattr(mix, "name", None) or getattr(mix, "__name__", type(mix).__name__)
        augmentation = self.augmenter.config if self.augmenter is not None else None
        shown = [
            self.cache.images.shape[1:],
            self.batch_size,
            self.shuffle,
            self.seed,
            self.augment_duplicates_only,
        ]
        digest = hashlib.sha256(repr([*shown, augmentation, mix]).encode())
        digest.update("\n".join(frame["path"] + "\t" + frame["label"] + "\t" + frame["sha256"]).encode())
        return digest.hexdigest()[:16]

    def on_epoch_end(self):
        """Move on to the next epoch's order and augmentations."""
        self.start(self.epoch + 1)

    def start(self, epoch):
        """Take the order and augmentations of this epoch (counted from 0), as a resumed training does."""
        self.epoch = epoch
        self._order = np.arange(len(self._rows))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(self._order)

    def _image(self, position):
        image = self.cache.images[self._rows[position]]
        if self.augmenter is None or (self.augment_duplicates_only and not self._is_repeat[position]):
            return image
        epoch = 0 if self.augment_duplicates_only else self.epoch
        return self.augmenter(image, np.random.default_rng([self.seed, epoch, int(position)]))
