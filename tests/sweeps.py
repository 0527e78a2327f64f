"""The counts of `make sweep`: what was tried, what survived, and what was lost, with the date, in `sweeps.json`."""

import json
from datetime import UTC, datetime
from pathlib import Path

FILE = Path(__file__).with_name("sweeps.json")


class Sweep:
    """Counts the tries of one sweep.

    Args:
        name: str, key in `sweeps.json`.
    """

    def __init__(self, name):
        self.name, self.tried, self.lost, self.notes = name, 0, [], {}

    def count(self, what, survived):
        """Count one try: `what` names it where it is lost; `survived` is bool."""
        self.tried += 1
        if not survived:
            self.lost.append(str(what))

    def finish(self):
        """Print and store the counts, then fail where something was lost."""
        counts = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "tried": self.tried,
            "survived": self.tried - len(self.lost),
            "lost": len(self.lost),
            **self.notes,
        }
        print(f"\n{self.name}: {counts}")
        stored = json.loads(FILE.read_text()) if FILE.is_file() else {}
        FILE.write_text(json.dumps(dict(sorted((stored | {self.name: counts}).items())), indent=2) + "\n")
        assert self.tried and not self.lost, f"{self.name} lost {self.lost}"
