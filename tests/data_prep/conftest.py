"""A few synthetic smears that several tests read."""

import pytest

from data_prep.phantoms.smear import write_smears


@pytest.fixture(scope="session")
def smears(tmp_path_factory):
    """Return the folder of six small smears; not to be written to."""
    return write_smears(tmp_path_factory.mktemp("phantom") / "smears", 6, (320, 240), seed=1, progress=False)
