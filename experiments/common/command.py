"""An experiment as a command: what goes wrong is told in one line."""

import importlib
import sys

from drcls.cli import INTERRUPTED, tell


def run_experiment(name):
    """Run the `main` of an experiment.

    Args:
        name: str, its folder under `experiments/`.

    Returns:
        int, the exit status: 0, 1 where something failed, 130 after Ctrl-C. Wrong arguments end with 2.
    """
    command = f"make reproduce-{name.replace('_', '-')}"
    try:
        from data_prep.sources import PreparationError

        # Within `try`: importing Keras takes seconds, and Ctrl-C may come then.
        importlib.import_module(f"experiments.{name}.experiment").main()
    except KeyboardInterrupt:
        anew = "; leave out --force, which would begin anew" if "--force" in sys.argv else ""
        return tell(command, f"interrupted; the same command goes on where it stopped{anew}", INTERRUPTED)
    except (ValueError, OSError, RuntimeError, ImportError, ArithmeticError, PreparationError) as error:
        return tell(command, f"error: {error}", 1)
    return 0
