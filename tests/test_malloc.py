"""The allocator's settings: taken on glibc, and memory that stays in the process."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
{setup}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

size = 256 * 2**20
before, block = resident(), libc.malloc(size)
ctypes.memset(block, 1, size)
libc.free(block)
print((resident() - before) / size)
"""


def kept_share(setup):
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup)], capture_output=True, text=True, check=True
    )
    return float(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_stays_in_the_process_after_the_import_and_leaves_it_otherwise():
    assert kept_share("") < 0.1
    assert kept_share("import drcls") > 0.9
