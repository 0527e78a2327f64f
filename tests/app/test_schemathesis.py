"""Thousands of requests that schemathesis makes of the API's own description, in every phase it has."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drcls.app import server
from drcls.app.verification import find_changes

pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytestmark = pytest.mark.slow
NUM_EXAMPLES = 1500
ROOT = Path(__file__).resolve().parents[2]


def test_every_answer_is_one_that_the_description_allows(app, token, folder, database, tmp_path):
    waiter = server.make_server(app, "127.0.0.1", 0)
    threading.Thread(target=waiter.run, daemon=True).start()
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{waiter.effective_port}/api/v1/openapi.json",
        "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(NUM_EXAMPLES), "--seed", "1",
        "--workers", "2", "--header", f"Authorization: Bearer {token}", "--continue-on-failure", "--no-color",
        # No schema of bytes can say what a photograph is: refusing one is right.
        "--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all",
        "--report-ndjson-path", str(tmp_path / "report.ndjson"),
    ]  # fmt: skip
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.app.photograph_hooks", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    waiter.close()
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    actions = [row["action"] for row in database.execute("SELECT action FROM audit")]
    assert actions.count("prediction") > 100, "hardly a body reached the model"
    assert actions.count("not_gradable") > 10
    assert find_changes(database, folder) == []
    cases = (tmp_path / "report.ndjson").read_text().count('"response"')
    assert cases >= 1000, json.dumps({"cases": cases})
