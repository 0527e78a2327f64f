"""Let TensorFlow compute with oneDNN on every x86 processor."""

import os


def use_onednn():
    """Turn on TensorFlow's oneDNN operations, unless `TF_ENABLE_ONEDNN_OPTS` says otherwise.

    TensorFlow turns them on by itself only where the processor has AVX-512 with neural-network instructions. They make
    training steps faster elsewhere too (`python -m benchmarks training_step` compares both). Results differ by
    rounding, also with the number of threads. Other processors and other backends are not affected.

    `import drcls` calls this. It has no effect where Keras or TensorFlow was imported before.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
