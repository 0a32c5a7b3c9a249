#!/usr/bin/env bash
# The small priors of the two diffusion teachers, on real pairs and on pairs of the simulator.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: recipes/teachers.sh WORK REAL (REAL: folders RoadScene, MSRS and M3FD of infrared/visible pairs)" >&2; exit 2; }
real=$(realpath "$2"); mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
[ -e SIMULATED ] || "$python" -m harness.capture --town Town02 --frames 300 --seed 5 --out SIMULATED
pairs=("$real/RoadScene" "$real/MSRS" "$real/M3FD" SIMULATED)
train() {
  [ -e "$2" ] || "$python" -m fusionproxy.teachers.train --teacher "$1" --size cpu --prediction sample --pairs "${pairs[@]}" --split train \
    --threads 1 --out "$2" "${@:3}"
}
train ddfm ddfm --minutes 26
train mask_difuser mask_difuser --minutes 45 --check-every 600
