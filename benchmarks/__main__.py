"""Run the comparisons and write benchmarks/results.json and benchmarks/RESULTS.md.

python -m benchmarks                  all of them
python -m benchmarks augment embed    some; the other lines of the page stay as they are
python -m benchmarks --page           the page anew from results.json, nothing is timed
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import re
import sys
import traceback
from pathlib import Path

from benchmarks.comparison import measure
from benchmarks.page import page

FOLDER = Path(__file__).parent
SUBJECTS = (
    "augment",
    "input_path",
    "embed",
    "frozen_head",
    "trials",
    "first_step",
    "training_step",
    "grad_cam",
    "explain",
    "deletion",
    "prepare",
    "duplicates",
    "app",
)
PACKAGES = (
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "torch",
)
PEERS = ("albumentations", "tf-keras-vis", "lime", "shap", "pillow")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument("--page", action="store_true", help="write the page from the recorded numbers alone")
    options = parser.parse_args(arguments)
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"unknown subjects {sorted(unknown)}; expected some of {', '.join(SUBJECTS)}")
    subjects = () if options.page else options.subjects or SUBJECTS
    failed = [subject for subject in subjects if not record(subject)]
    (FOLDER / "RESULTS.md").write_text(current_page())
    if failed:
        print(f"not recorded, see the errors above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def record(subject):
    """Run one subject's comparisons and record each as soon as it is measured; False where one failed."""
    try:
        for comparison in importlib.import_module(f"benchmarks.{subject}").comparisons():
            print(f"{subject}: {comparison.what}", flush=True)
            circumstances = {"machine": machine(), "date": f"{datetime.date.today()}", "load": load()}
            rows = [row | circumstances for row in measure(comparison)]
            write(rows)
            for row in rows:
                print(
                    f"  {row['ratio']:.2f} times as fast as {row['against']} (goal {row['goal']:g})",
                    flush=True,
                )
    except Exception:  # noqa: BLE001 - one subject that cannot run must not cost the others
        traceback.print_exc()
        return False
    return True


def current_page():
    """Return the page made from what this folder records."""
    return page(read(), **{name: recorded(f"{name}.json") for name in ("growth", "int8", "aucmedi")})


def read():
    return recorded("results.json") or []


def recorded(name):
    """Return the content of a JSON file of this folder, or None where it is not there."""
    path = FOLDER / name
    return json.loads(path.read_text()) if path.is_file() else None


def write(rows):
    """Replace the recorded lines of the same work by these."""
    kept = [row for row in read() if row["what"] != rows[0]["what"]]
    text = json.dumps(sorted(kept + rows, key=lambda row: (row["what"], row["against"])), indent=1)
    partial = FOLDER / "results.json.partial"
    partial.write_text(text + "\n")
    partial.replace(FOLDER / "results.json")


def load():
    """Return the running processes per core over the last minute."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def machine():
    """Return the processor, cores, memory, system and versions in one line."""
    from drcls.environment import (
        package_version,  # earlier, drcls would change how a peer's TensorFlow starts
    )

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo.read_text(), re.MULTILINE))
        vectors = "AVX-512" if "avx512f" in fields.get("flags", "") else "no AVX-512"
        processor = f"{fields.get('model name', processor)} ({vectors})"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(
        f"{name} {found}" for name in (*PACKAGES, *PEERS) if (found := package_version(name))
    )
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()}, "
        f"Python {platform.python_version()}; {versions}"
    )


if __name__ == "__main__":
    sys.exit(main())
