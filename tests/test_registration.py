"""What `import drcls` costs, and that it is enough for Keras to load what drcls saved."""

import os
import subprocess
import sys

import pytest


def in_a_fresh_process(code):
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.split()


def test_importing_the_package_imports_no_keras():
    assert (
        in_a_fresh_process("import drcls, sys; print('keras' in sys.modules, drcls.__version__)")[0]
        == "False"
    )


@pytest.mark.parametrize(
    "imports", ["import drcls, keras", "import keras, drcls", "import drcls.layers, keras"]
)
def test_layers_and_losses_are_registered_whichever_comes_first(imports):
    code = f"""{imports}
print(*(keras.saving.get_registered_object('drcls>' + name) is not None
        for name in ('CBAM', 'WeightedCategoricalCrossentropy')))"""
    assert in_a_fresh_process(code) == ["True", "True"]


def test_a_name_that_the_package_lacks_is_an_attribute_error():
    assert in_a_fresh_process("import drcls; print(hasattr(drcls, 'nothing'), drcls.losses.__name__)") == [
        "False",
        "drcls.losses",
    ]


def test_a_missing_backend_is_told_with_the_extra_to_install():
    code = "import sys; sys.modules['tensorflow'] = None; import drcls.layers"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
    )
    last = answer.stderr.strip().splitlines()[-1]
    assert "needs its backend tensorflow" in last and ".[cpu]" in last


def test_asking_whether_keras_is_installed_keeps_the_registration():
    code = """import drcls, importlib.util
importlib.util.find_spec('keras'), importlib.util.find_spec('keras')
import keras
print(keras.saving.get_registered_object('drcls>CBAM') is not None)"""
    assert in_a_fresh_process(code) == ["True"]
