"""Let TensorFlow compute with oneDNN on every x86 processor."""

import os


def use_onednn():
    """Turn on TensorFlow's oneDNN operations, unless `TF_ENABLE_ONEDNN_OPTS` says otherwise.

    TensorFlow turns them on by itself only where the processor has AVX-512 with neural-network instructions. On two
    cores without these a training step then takes about three quarters of its time (benchmarks/RESULTS.md). Results
    differ by rounding. Other processors and other backends are not affected.

    `import drcls` calls this. It has no effect where Keras or TensorFlow was imported before.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
