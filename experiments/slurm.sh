#!/usr/bin/env bash
# The rows and seeds of an experiment as the tasks of a SLURM array, one row with one seed a task:
#
#   sbatch --array=0-5 experiments/slurm.sh chexnet_cbam "DenseNet121 CheXNet_CBAM" "0 1 2" --data aptos2019 --profile full
#
# The arguments are the experiment, its rows, its seeds, and further options for every task. Rows joined by a comma are
# one task. A task that was cut goes on when it is submitted again, and a finished one is not trained again.
#SBATCH --job-name=drcls
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=12:00:00
#SBATCH --output=slurm-%A_%a.txt
set -euo pipefail

usage='usage: sbatch --array=0-N experiments/slurm.sh EXPERIMENT "ROW ..." "SEED ..." [OPTION ...]'
(($# >= 3)) || { echo "$usage" >&2; exit 2; }
experiment=$1
read -ra rows <<<"$2"
read -ra seeds <<<"$3"
shift 3

number=$((${#rows[@]} * ${#seeds[@]}))
task=${SLURM_ARRAY_TASK_ID:-none}
if [[ ! $task =~ ^[0-9]+$ ]] || ((task >= number)); then
    echo "${#rows[@]} rows with ${#seeds[@]} seeds are $number tasks: expected --array=0-$((number - 1)); received task $task" >&2
    exit 2
fi

# The environment that `make install` built, else the python of the job.
python=.venv/bin/python
[[ -x $python ]] || python=python
exec srun "$python" -m "experiments.$experiment" --models "${rows[task % ${#rows[@]}]}" \
    --seed "${seeds[task / ${#rows[@]}]}" "$@"
