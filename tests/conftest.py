"""Where the tests find real data, and how they skip where it is absent."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import settings

# Before a test imports Keras: `import drcls` sets what TensorFlow starts with.
import drcls  # noqa: F401

# The same examples on every run: a red test must mean a change, not a draw. No deadline on shared machines.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

SOURCES = Path(
    os.environ.get("DRCLS_DATA_SOURCES", Path(__file__).resolve().parents[1].parent / "shared" / "data")
)


@pytest.fixture(scope="session")
def sources():
    """Return a function: archive name -> its path; skips the test where the archive is absent."""

    def find(name):
        path = SOURCES / name
        if not path.exists():
            pytest.skip(f"{name} is not in {SOURCES}; set DRCLS_DATA_SOURCES to the folder that holds it")
        return path

    return find


def pytest_runtest_setup():
    """Start every test, with what it sets up, from one random state, whichever tests ran before in its process.

    Keras draws the seeds of layers from Python's generator. To set TensorFlow's too would empty its caches each time.
    """
    random.seed(0)
