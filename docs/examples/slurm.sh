#!/usr/bin/env bash
# A study on all GPUs of a SLURM job:
#   export SWEEP_STORAGE=postgresql://me@dbhost/sweep SWEEP_STORAGE_PASSWORD_FILE=~/.sweep-password
#   sbatch docs/examples/slurm.sh studies/search.toml
# The same line goes on with a study that ran out of time.
#SBATCH --job-name=sweep
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --time=04:00:00
# Two minutes before the time is up the study is told to end; what is done is kept.
#SBATCH --signal=B:TERM@120
set -euo pipefail

study=${1:?"which study? sbatch slurm.sh STUDY.toml"}
: "${SWEEP_STORAGE:?"no database: export SWEEP_STORAGE=postgresql://me@dbhost/sweep"}"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=$((20000 + SLURM_JOB_ID % 10000))
n_gpus=$((${#nodes[@]} * ${SLURM_GPUS_PER_NODE##*:}))

# Who lacks this job's token is refused.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=5000

# Called in subshells only, whose place srun takes: so it is srun that gets the signals.
on_head() { exec srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" "$@"; }

address=$(on_head hostname --ip-address | awk '{print $1}')
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

on_head ray start --head --node-ip-address="$address" --port="$port" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --block &
for _ in {1..120}; do
    if (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then break; fi
    sleep 1
done
if ((${#nodes[@]} > 1)); then
    others=$((${#nodes[@]} - 1))
    srun --overlap --nodes="$others" --ntasks="$others" --exclude="$head" \
        ray start --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

# It waits for the GPUs of nodes that have not joined yet.
on_head sweep start "$study" --resume --launcher ray --ray-address "$address:$port" --gpus "$n_gpus" &
coordinator=$!
trap 'kill -TERM "$coordinator"' TERM
status=0
wait "$coordinator" || status=$?
# A signal ends the first wait; the study then has its epoch to finish.
while kill -0 "$coordinator" 2>/dev/null; do
    status=0
    wait "$coordinator" || status=$?
done
exit "$status"
