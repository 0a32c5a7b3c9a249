#!/usr/bin/env bash
# The two frozen policies from one set of data: `cilrs` without any change of colours, as the original, and `cilrs_augmented` with
# TransFuser++'s. Both begin with cilrs_v8, meet hazards at 35 and 50 km/h, and then drive themselves while the expert answers.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: [SEEDS='1 2 3'] recipes/cilrs_pair.sh WORK MAPS (MAPS: CARLA's OpenDRIVE files of Town01 and Town02)" >&2; exit 2; }
here=$(realpath "$(dirname "$0")"); begin="$here/../policies/weights/cilrs_v8"
maps=$(realpath "$2"); mkdir -p "$1"; cd "$1"
. "$here/cilrs_pair/steps.bash"

collect n_slow --town $(towns 301 350) --hazards all --frames 14000 --seed 71
collect n_fast --town $(towns 351 400) --hazards all --speed-kmh 50 --frames 14000 --seed 72
collect n_dagger --driver "$begin.onnx" --town $(towns 401 450) --hazards all --frames 8000 --seed 73
collect n_random --driver "$begin.onnx" --town $(towns 451 520) --frames 10000 --seed 74
collect n_maps --driver "$begin.onnx" --town Town01 Town02 --maps "$maps" --sceneries 16 --frames 5000 --seed 75
collect n_t02 --driver "$begin.onnx" --town Town02 --sceneries 8 --frames 3000 --seed 76
first=(n_slow n_fast n_dagger n_random n_maps n_t02)
train first --data "${first[@]}" --minutes 10 --learning-rate 0.0005 --init "$begin.safetensors"

collect o_slow --driver first.onnx --town $(towns 521 560) --hazards all --frames 6000 --seed 81
collect o_fast --driver first.onnx --town $(towns 561 600) --hazards all --speed-kmh 50 --frames 6000 --seed 82
data=(o_slow o_fast "${first[@]}")
for seed in ${SEEDS:-1}; do
  same=(--data "${data[@]}" --minutes 22 --learning-rate 0.0005 --seed "$seed" --init "$begin.safetensors")
  train "cilrs_seed$seed" "${same[@]}"
  train "cilrs_augmented_seed$seed" "${same[@]}" --transfuser 0.5
done
echo "the exports and their cards are in $PWD; choose among seeds by validation routes (--route-set validation)"
