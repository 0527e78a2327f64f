"""One row of a results table: train, evaluate, record, unless that is done."""

import shutil
import time

from drcls.data import audit_leakage
from drcls.evaluate import evaluate
from drcls.runs import environment, is_current, read_json, write_json, write_split

IDENTITY = ("variant", "data", "phantom", "protocol", "profile", "seed")


def audit(parts, protocol):
    """Say how much of the test part training has seen; a clean protocol that leaks is an error."""
    leakage = audit_leakage(parts["train"], parts["test"])
    sizes = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    print(f"{protocol} protocol: {sizes}; {leakage['overall']:.1%} of the test images leaked")
    if protocol == "clean" and leakage["group"] > 0:
        raise RuntimeError(
            f"the clean protocol must not leak, but {leakage['group']:.2%} of the test images do"
        )
    return leakage


def run_row(folder, config, parts, leakage, fit, force=False):
    """Train, evaluate and record one row, unless it is finished.

    Args:
        folder: Path of the run folder.
        config: dict of everything the row depends on, with the fields of `IDENTITY`.
        parts: dict of `Manifest`, from `split`.
        leakage: dict, from `audit`.
        fit: function () -> (float (N, C) probabilities of the test part, str note).
        force: bool, remove what is in the folder and train anew.

    Raises:
        ValueError: where the folder holds a row of other settings.
    """
    if force:
        shutil.rmtree(folder, ignore_errors=True)  # or the checkpoint would be found, and nothing trained
    if not is_current(folder, config):
        started = time.monotonic()
        write_json(folder / "config.json", config)
        write_split(folder, parts)
        print(f"\n{folder}")
        probabilities, note = fit()
        measured = evaluate(parts["test"], probabilities, folder, seed=config["seed"])
        write_json(folder / "env.json", environment(time.monotonic() - started))
        row = {key: config[key] for key in IDENTITY} | {
            "num_test": len(parts["test"]),
            "class_names": parts["test"].classes,
        }
        write_json(folder / "metrics.json", row | measured | {"leakage": leakage, "note": note})
    accuracy = read_json(folder / "metrics.json")["metrics"]["accuracy"]
    print(f"{config['variant']}, {config['protocol']} protocol: accuracy {accuracy:.4f}")
