"""Features of a frozen backbone, one vector an image, computed once and kept on disk."""

import hashlib
import json
import re
from itertools import pairwise

import keras
import numpy as np
from tqdm import tqdm

from drcls.data.cache import check_room
from drcls.files import locked
from drcls.forward import ForwardPass, check_batch_size


def build_embedding_model(backbone):
    """Put global average pooling on a backbone.

    Args:
        backbone: keras.Model from `build_backbone`, giving (N, h, w, C).

    Returns:
        keras.Model from images (N, H, W, 3) in 0..255 to float32 (N, C), the average over the feature map.
    """
    return keras.Model(
        backbone.inputs[0], keras.layers.GlobalAveragePooling2D(dtype="float32")(backbone.outputs[0])
    )


def pool_several_layers(backbone, num_stages=6):
    """Pool several depths of a backbone: shallow features show small lesions, deep ones shapes.

    A stage ends at the last sum or concatenation with its number of channels, or at the output.

    Args:
        backbone: keras.Model from `build_backbone`, giving (N, h, w, C).
        num_stages: int, how many stages, counted from the output.

    Returns:
        keras.Model from images (N, H, W, 3) in 0..255 to float32 (N, 1, 1, sum of C): square roots of the average
        activations, with their sign. `embed` and `cached_embeddings` take it as a backbone.
    """
    joints = [
        layer.output
        for layer in backbone.layers
        if isinstance(layer, keras.layers.Add | keras.layers.Concatenate)
    ]
    ends = [a for a, b in pairwise([*joints, backbone.outputs[0]]) if a.shape[-1] != b.shape[-1]]
    tensors = [*ends, backbone.outputs[0]][-num_stages:]
    pooled = [keras.ops.mean(tensor, axis=(1, 2), keepdims=True) for tensor in tensors]
    joined = keras.layers.Concatenate(dtype="float32")(pooled)
    return keras.Model(backbone.inputs[0], keras.ops.sign(joined) * keras.ops.sqrt(keras.ops.abs(joined)))


def embed(backbone, images, batch_size=32, forward=None, engine="auto"):
    """Pool a backbone's feature map to one vector per image.

    Args:
        backbone: keras.Model from `build_backbone`, giving (N, h, w, C).
        images: uint8 (N, H, W, 3) in 0..255, memory-mapped or not; read a batch at a time.
        batch_size: int.
        forward: function float32 (n, H, W, 3) -> (n, C) that computes what `build_embedding_model` does; None: Keras
            or, for many images, onnxruntime.
        engine: str, chooses between the two, see `drcls.forward.ForwardPass`.

    Returns:
        float32 (N, C), the average over the feature map.

    Raises:
        ValueError: where an embedding is not finite, or a batch has no image.
    """
    check_batch_size(batch_size)
    features = np.empty((len(images), backbone.output_shape[-1]), dtype=np.float32)
    _fill(features, 0, backbone, images, batch_size, forward, engine)
    return features


def cached_embeddings(cache, backbone, name, batch_size=32, forward=None, engine="auto"):
    """Embed every image of a data set, once; afterwards the result is read from disk.

    The file lies in `embeddings/` beside the manifest, under a name that changes with the images, their size and
    preparation, and the backbone's wiring and weights. It does not change with the engine: what onnxruntime gives is
    compared with Keras before it is used and differs by 1e-4 of the largest value at most. Rows are written as they are
    computed, so that an interrupted computation goes on where it stopped; the file gets its name when it is complete.

    Args:
        cache: `ImageCache` of the data set.
        backbone: keras.Model from `build_backbone`.
        name: str, a readable beginning of the file's name; where `forward` is given, it should say so.
        batch_size, forward, engine: as for `embed`.

    Returns:
        float32 (N, C), memory-mapped, in the order of the manifest; `cache.rows(part)` are a part's rows.

    Raises:
        ValueError: where an embedding is not finite, a batch has no image, or the file is damaged.
        OSError: where the disk has no room.
    """
    check_batch_size(batch_size)
    folder = cache.path.parent.parent / "embeddings"
    path = folder / f"{name}-{_fingerprint(cache, backbone)}.npy"
    shape = (len(cache.images), backbone.output_shape[-1])
    if not path.exists():
        folder.mkdir(exist_ok=True)
        with locked(path.with_suffix(".lock")):
            if not path.exists():  # another process may have computed it in the meantime
                _compute(path, shape, backbone, cache.images, batch_size, forward, engine)
    return _open(path, shape, "r")


def _compute(path, shape, backbone, images, batch_size, forward, engine):
    """Fill a file of NaN row by row: the first row that still holds one is where to go on."""
    partial = path.with_suffix(".partial")
    if partial.exists():
        features = _open(partial, shape, "r+")
    else:
        check_room(path, 4 * np.prod(shape, dtype=np.int64))
        features = np.lib.format.open_memmap(new := path.with_suffix(".new"), "w+", np.float32, shape)
        features[:] = np.nan
        new.replace(partial)
    missing = np.flatnonzero(np.isnan(features).any(axis=1))
    if len(missing):
        _fill(features, int(missing[0]), backbone, images, batch_size, forward, engine)
    features.flush()
    partial.replace(path)


def _fill(features, first, backbone, images, batch_size, forward, engine):
    forward = forward or _forward_pass(backbone, len(images) - first, batch_size, engine)
    with tqdm(total=len(images), initial=first, desc="embedding", unit="image") as progress:
        for start in range(first, len(images), batch_size):
            batch = np.asarray(images[start : start + batch_size], dtype=np.float32)
            vectors = np.asarray(forward(batch))
            if not np.isfinite(vectors).all():
                row = start + int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
                raise ValueError(
                    f"backbone {backbone.name!r} gives NaN or infinity for image {row}; expected finite embeddings"
                )
            features[start : start + batch_size] = vectors
            progress.update(len(batch))


def _forward_pass(backbone, num_images, batch_size, engine):
    model = build_embedding_model(backbone)
    forward = ForwardPass(
        lambda images: model(images, training=False), backbone, "embeddings", batch_size, engine
    )
    forward.expect(num_images)
    return forward


def _fingerprint(cache, backbone):
    # Keras numbers unnamed layers and operations through the life of a process: the numbers must not count.
    wiring = re.sub(r'_\d+"', '"', json.dumps(backbone.get_config(), sort_keys=True, default=str))
    digest = hashlib.sha256(f"{cache.path.name} {wiring}".encode())
    for weight in backbone.get_weights():
        digest.update(np.ascontiguousarray(weight))
    return digest.hexdigest()[:12]


def _open(path, shape, mode):
    try:
        features = np.load(path, mmap_mode=mode)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a readable file of embeddings ({error}); delete it") from error
    if features.shape != shape or features.dtype != np.float32:
        raise ValueError(
            f"{path} holds {features.dtype} {features.shape}, expected float32 {shape}; delete it"
        )
    return features
