"""Keep freed memory in the process, so that TensorFlow does not fetch it from the kernel again in every step.

glibc maps every large tensor anew and returns it to the kernel when it is freed. In a training on two cores 40 % of
the time went into that. Kept memory costs resident size: up to the peak of one training step stays allocated.
"""

import ctypes
import platform

# mallopt's parameter numbers, from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory():
    """Set glibc's allocator to keep what is freed: no mapping of single blocks, no trimming, one arena.

    `import drcls` calls this. Nothing computed changes.

    Returns:
        bool, whether the allocator took the settings; False where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
    return all([mallopt(parameter, value) == 1 for parameter, value in settings.items()])
