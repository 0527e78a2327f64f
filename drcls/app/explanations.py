"""Heat maps made in the background, one after another, with progress; they survive the server's end.

What is to be made stands in the database. A job that a killed server left half done is taken up again from its
beginning, once: what kills two servers has failed. Its picture appears under its name only when it is whole.
"""

import contextlib
import hashlib
import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np

from drcls.app import audit
from drcls.app.db import case_folder, connect, transaction, write_durably
from drcls.app.image_decoding import VIEW_SIDE, encode_png
from drcls.data.image_ops import read_image
from drcls.explain import GradCAM, lime, overlay, shap_partition

NUM_EVALUATIONS = {"grad_cam": 1, "lime": 500, "shap": 500}
TITLES = {"grad_cam": "Grad-CAM", "lime": "LIME", "shap": "SHAP"}
SECONDS_BETWEEN_LOOKS = 1.0
INTERRUPTED = "the server ended while it was made, twice"
NEXT_JOB = """
SELECT case_id, method, grade, json_extract(prediction, '$.model_sha256'), json_extract(prediction, '$.preparation')
FROM explanations JOIN cases ON case_id = id WHERE explanations.state = 'queued' ORDER BY queued LIMIT 1
"""


class Explainer:
    """A thread that makes the heat maps that are queued, the oldest first.

    Args:
        folder: Path of the data folder.
        grader: `Grader`.
    """

    def __init__(self, folder, grader):
        self.folder, self.grader = folder, grader
        self.progress = {}
        self._work, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="explainer", daemon=True)
        self._grad_cam = GradCAM(grader.model)

    def start(self):
        """Take up what an earlier server left half done, and begin."""
        with contextlib.closing(connect(self.folder)) as connection, transaction(connection):
            rows = connection.execute("SELECT * FROM explanations WHERE state = 'running'").fetchall()
            for row in rows:
                if row["error"] is None:
                    self._set(connection, row, "queued", INTERRUPTED)
                else:
                    self._record(connection, row, "failed", INTERRUPTED, None)
        self._thread.start()

    def stop(self):
        """Finish the heat map in hand and end."""
        self._end.set()
        self._work.set()
        self._thread.join()

    def notify(self):
        """Say that something was queued."""
        self._work.set()

    def request(self, connection, actor, case_id, method):
        """Queue a heat map, unless it is queued or made already; a failed one is tried again.

        Raises:
            ValueError: on another method.
        """
        if method not in NUM_EVALUATIONS:
            raise ValueError(f"method {method!r} received; expected one of {list(NUM_EVALUATIONS)}")
        with transaction(connection):
            changed = connection.execute(
                "INSERT INTO explanations (case_id, method, state, queued) VALUES (?, ?, 'queued', ?) "
                "ON CONFLICT DO UPDATE SET state = 'queued', queued = excluded.queued, error = NULL "
                "WHERE state = 'failed'",
                (case_id, method, time.time()),
            ).rowcount
            if changed:
                audit.append(connection, actor, "explanation_requested", case_id, method=method)
        self.notify()

    def states(self, connection, case_id):
        """Return dict, method -> dict of `state`, `progress` in 0..1 and `error`, for every method."""
        rows = connection.execute("SELECT * FROM explanations WHERE case_id = ?", (case_id,)).fetchall()
        found = {row["method"]: row for row in rows}
        return {method: self._state(case_id, method, found.get(method)) for method in NUM_EVALUATIONS}

    def _state(self, case_id, method, row):
        if row is None:
            return {"state": "none", "progress": 0.0, "error": None}
        made = 1.0 if row["state"] == "done" else self.progress.get((case_id, method), 0.0)
        error = row["error"] if row["state"] == "failed" else None
        return {"state": row["state"], "progress": made, "error": error}

    def _run(self):
        with ThreadPoolExecutor(1, thread_name_prefix="explanation") as pool:
            while not self._end.is_set():
                self._work.clear()
                try:
                    found = self._work_off(pool)
                except sqlite3.OperationalError:  # a locked database or a full disk: the job stays queued
                    found = False
                if not found:
                    self._work.wait(SECONDS_BETWEEN_LOOKS)

    def _work_off(self, pool):
        """Make the oldest heat map in the queue; return whether there was one."""
        with contextlib.closing(connect(self.folder)) as connection:
            with transaction(connection):
                job = connection.execute(NEXT_JOB).fetchone()
                if job is None:
                    return False
                # The error stays: it says that an earlier server ended over this job.
                connection.execute(
                    "UPDATE explanations SET state = 'running' WHERE case_id = ? AND method = ?",
                    tuple(job)[:2],
                )
            # In the pool a failure of any kind is a value: it ends this job, not the thread of all the others.
            made = pool.submit(self._make, *job)
            error = made.exception()
            self.progress.pop((job["case_id"], job["method"]), None)
            self._finish(connection, job, error, None if error else made.result())
        return True

    def _finish(self, connection, job, error, sha256):
        """Record the outcome; where the database is locked, wait until it is not."""
        while not self._end.is_set():
            try:
                with transaction(connection):
                    self._record(
                        connection, job, "failed" if error else "done", _error_message(error), sha256
                    )
                return
            except sqlite3.OperationalError:
                self._end.wait(SECONDS_BETWEEN_LOOKS)

    def _record(self, connection, job, state, error, sha256):
        self._set(connection, job, state, error)
        audit.append(
            connection,
            "server",
            "explanation",
            job["case_id"],
            method=job["method"],
            state=state,
            error=error,
            sha256=sha256,
        )

    @staticmethod
    def _set(connection, job, state, error):
        connection.execute(
            "UPDATE explanations SET state = ?, error = ? WHERE case_id = ? AND method = ?",
            (state, error, job["case_id"], job["method"]),
        )

    def _make(self, case_id, method, grade, model_sha256, preparation):
        self._check_same_input(model_sha256, json.loads(preparation))
        image = read_image(case_folder(self.folder, case_id) / "image.png")
        network_input = self.grader.network_input(image)[None].astype(np.float32)
        heat_map = self._heat_map(case_id, method, network_input, self.grader.class_names.index(grade))
        heat_map = cv2.resize(heat_map, (VIEW_SIDE, VIEW_SIDE), interpolation=cv2.INTER_LINEAR)
        picture = encode_png(overlay(np.zeros((VIEW_SIDE, VIEW_SIDE, 3)), np.clip(heat_map, 0, 1), alpha=1))
        write_durably(case_folder(self.folder, case_id) / f"{method}.png", picture)
        return hashlib.sha256(picture).hexdigest()

    def _check_same_input(self, model_sha256, preparation):
        """Refuse to explain the grade of another model, or of a photograph that was prepared otherwise."""
        if model_sha256 != self.grader.sha256:
            raise ValueError(
                f"graded by the model {model_sha256[:12]}; {self.grader.sha256[:12]} cannot explain it"
            )
        if preparation != self.grader.preparation:
            raise ValueError(
                f"graded with the preparation {preparation}; the server now prepares by {self.grader.preparation}, "
                "and a heat map would explain another image"
            )

    def _heat_map(self, case_id, method, images, class_index):
        """Explain one class: float32 (1, H, W, 3) -> float32 (H, W) in 0..1."""
        if method == "grad_cam":
            return self._grad_cam(images, class_index)[0]
        model, num = self.grader.model, NUM_EVALUATIONS[method]
        progress = partial(self._advance, (case_id, method), num)
        if method == "lime":
            return lime(model, images, class_index, num_samples=num, progress=progress)[0]
        return shap_partition(model, images, class_index, max_evaluations=num, progress=progress)[0]

    def _advance(self, key, total, num_images):
        self.progress[key] = min(0.99, self.progress.get(key, 0.0) + num_images / total)


def _error_message(error):
    """Say what went wrong; some errors, such as MemoryError, say nothing but their name."""
    return (str(error) or type(error).__name__) if error else None
