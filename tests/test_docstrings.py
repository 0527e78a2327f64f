"""The examples in docstrings give what they say, and every public layer and loss has one."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import drcls
import drcls.layers
import drcls.losses

ROOT = Path(drcls.__file__).parents[1]
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in ("drcls", "data_prep", "experiments")
    for path in (ROOT / package).rglob("*.py")
    if re.search(r"^ *>>> ", path.read_text(), re.MULTILINE)
)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_give_what_they_say(module):
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("package", [drcls.layers, drcls.losses])
def test_every_public_class_has_an_example(package):
    without = [name for name in package.__all__ if ">>> " not in getattr(package, name).__doc__]
    assert not without
