"""What the audit log says of the database: every row on which a page or a right depends, by following its entries.

Sessions, tokens and passwords appear in the log as hashes only.
"""

import hashlib
import json
import re
from datetime import datetime


class Replay:
    """The rows of the database as the log tells them, entry by entry.

    `cases`, `decisions`, `explanations`, `accounts`, `tokens` and `sessions` are dict, key -> dict of columns;
    `checks` and `failed_logins` are lists of the same; `facts` is dict, name -> value; `criteria` and `calibrations`
    are what `acceptance.json` and each model's `calibration.json` hold.
    """

    def __init__(self):
        self.cases, self.decisions, self.explanations = {}, {}, {}
        self.accounts, self.tokens, self.sessions, self.failed_logins = {}, {}, {}, []
        self.checks, self.facts, self.criteria, self.calibrations = [], {}, None, {}
        self.files = {}

    def follow(self, entry):
        """Take up one entry (dict of its columns).

        Raises:
            ValueError, LookupError, TypeError, AttributeError, RecursionError: where it does not tell what an entry
                of its action tells.
        """
        details = json.loads(entry["details"])
        follow = getattr(self, f"_on_{entry['action']}", None)
        if follow:
            follow(entry, details)

    def _on_upload(self, entry, details):
        case_id = entry["case_id"]
        if not re.fullmatch("[0-9a-f]{12}", case_id):
            raise ValueError(f"{case_id!r} is no case")
        logged = ("image_sha256", "quality", "eye", "reference", "width", "height", "gradable")
        unset = ("quality_override", "prediction", "grade", "confidence", "refer", "final_grade")
        self.cases[case_id] = {name: details[name] for name in logged} | dict.fromkeys(unset)
        self.cases[case_id] |= {
            "created": entry["at"],
            "author": entry["actor"],
            "state": "ungradable",
            "version": 1,
        }
        self.decisions[case_id] = []
        self.files[case_id] = {"image.png": details["stored_sha256"], "view.png": details["view_sha256"]}

    def _on_quality_override(self, entry, details):
        self.cases[entry["case_id"]]["quality_override"] = details["reason"]

    def _on_prediction(self, entry, details):
        if entry["case_id"] is None:  # through the API: no case is kept
            return
        case, prediction = self.cases[entry["case_id"]], details["prediction"]
        case |= {name: prediction[name] for name in ("grade", "confidence", "refer")}
        case |= {"prediction": prediction, "state": "graded", "version": case["version"] + 1}
        self.explanations[entry["case_id"], "grad_cam"] = {"state": "queued"}

    def _on_decision(self, entry, details):
        case, decision = (
            self.cases[entry["case_id"]],
            {name: details[name] for name in ("kind", "grade", "reason")},
        )
        case |= {"state": details["kind"], "final_grade": details["grade"], "version": case["version"] + 1}
        self.decisions[entry["case_id"]].append({"at": entry["at"], "author": entry["actor"]} | decision)

    def _on_explanation_requested(self, entry, details):
        self.explanations[entry["case_id"], details["method"]] = {"state": "queued"}

    def _on_explanation(self, entry, details):
        made = {"state": details["state"], "error": details["error"]}
        self.explanations[entry["case_id"], details["method"]] = made
        if details["state"] == "done":
            self.files[entry["case_id"]][f"{details['method']}.png"] = details["sha256"]

    def _on_account_created(self, entry, details):
        logged = {name: details[name] for name in ("role", "password_sha256")}
        self.accounts[details["name"]] = logged | {"active": 1, "created": entry["at"]}

    def _on_password_changed(self, entry, details):
        self.accounts[details["name"]]["password_sha256"] = details["password_sha256"]
        self._end(self.sessions, details["name"])

    def _on_account_deactivated(self, entry, details):
        self.accounts[details["name"]]["active"] = 0
        self._end(self.sessions, details["name"])
        self._end(self.tokens, details["name"])

    def _on_token_created(self, entry, details):
        self.tokens[details["digest"]] = {"account": details["name"], "created": entry["at"]}

    def _on_tokens_revoked(self, entry, details):
        self._end(self.tokens, details["name"])

    def _on_login(self, entry, details):
        self._forget_failures_after(_moment(entry))
        self.sessions[details["session"]] = {"account": entry["actor"], "started": details["started"]}

    def _on_login_failed(self, entry, details):
        moment = _moment(entry)
        self._forget_failures_after(moment)
        self.failed_logins.append({"at": moment, "address": details["address"]})

    def _forget_failures_after(self, moment):
        """Follow what a login deletes: failures that lie in its future, from before the clock was set back."""
        while self.failed_logins and self.failed_logins[-1]["at"] > moment:
            self.failed_logins.pop()

    def _on_logout(self, entry, details):
        self.sessions.pop(details["session"], None)

    def _on_acceptance_check(self, entry, details):
        self.checks.append({"at": entry["at"], "passed": details["passed"], "record": details})

    def _on_acceptance_criteria(self, entry, details):
        self.criteria = details["criteria"]

    def _on_calibration(self, entry, details):
        self.calibrations[details["model_sha256"]] = details

    def _on_grades(self, entry, details):
        self.facts["grades"] = details["names"]

    @staticmethod
    def _end(rows, account):
        for key in [key for key, row in rows.items() if row["account"] == account]:
            del rows[key]


def _moment(entry):
    """When an entry was written, seconds since 1970."""
    return datetime.fromisoformat(entry["at"]).timestamp()


def password_sha256(stored):
    """Return the SHA-256 of a stored password hash, by which the log knows it: str -> hexadecimal text."""
    return hashlib.sha256(stored.encode()).hexdigest()
