#!/usr/bin/env bash
# The distilled student: an ensemble of the shipped teachers on 102 pairs, then 55 minutes of training.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: recipes/student_distilled.sh WORK REAL (REAL: folders RoadScene, MSRS and M3FD of infrared/visible pairs)" >&2; exit 2; }
real=$(realpath "$2"); mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}
[ -e SIMULATED ] || "$python" -m harness.capture --town Town02 --frames 300 --seed 5 --out SIMULATED
"$python" -m fusionproxy.ensemble --pairs "$real/RoadScene" "$real/MSRS" "$real/M3FD" SIMULATED --split train --limit 64 8 6 24 \
  --teacher ddfm --teacher mask_difuser --samples 3 --ddfm-steps 10 --mask-steps 3 --colour visible --size 320x240 --panel standin \
  --keep-samples 25 --workers 2 --out CACHE
[ -e run ] || "$python" -m fusionproxy.train --ensemble CACHE --out run --student cpu_contrast --minutes 55 --batch 4 --seed 0 \
  --learning-rate 0.002 --weight pixel=1 feature=0.1 structure=0.5 gradient=2 intensity=0.5 --structure block8 --feature-every 16 \
  --no-misalignment
"$python" -m fusionproxy.export run --out student_distilled.onnx --formats onnx int8 --calibrate "$real/RoadScene" --split train
