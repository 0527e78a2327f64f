import sys

from experiments.common.command import run_experiment

if __name__ == "__main__":
    sys.exit(run_experiment("multiscale_attention"))
