#!/usr/bin/env bash
# Rebuild tfa_0_23.json: a second environment in which tensorflow-addons still imports, then its values.
# tensorflow-addons ended in May 2024; TensorFlow 2.15.1 with NumPy 1 on Python 3.11 is its last working home.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3.11}
environment=.venv-reference

if [ ! -e "$environment/complete" ]; then
    "$python" -m venv --clear "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement tests/reference/requirements.txt
    touch "$environment/complete"
fi
TF_CPP_MIN_LOG_LEVEL=3 "$environment/bin/python" tests/reference/tfa_reference.py
