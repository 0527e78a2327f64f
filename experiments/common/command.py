"""An experiment as a command: what goes wrong is told in one line."""

import importlib

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
        return tell(command, "interrupted; the same command goes on where it stopped", INTERRUPTED)
    except (ValueError, OSError, RuntimeError, ImportError, ArithmeticError, PreparationError) as error:
        return tell(command, f"error: {error}", 1)
    return 0
