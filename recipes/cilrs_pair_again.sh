#!/usr/bin/env bash
# A second round of the two policies: it goes on from recipes/cilrs_pair, whose `cilrs` drives among hazards while the expert answers.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: recipes/cilrs_pair_again.sh WORK MAPS (MAPS: CARLA's OpenDRIVE files of Town01 and Town02)" >&2; exit 2; }
here=$(realpath "$(dirname "$0")"); before="$here/cilrs_pair"; v8="$here/../policies/weights/cilrs_v8.onnx"
maps=$(realpath "$2"); mkdir -p "$1"; cd "$1"
. "$here/cilrs_pair/steps.bash"

collect p_slow --driver "$before/cilrs_seed1.onnx" --town $(towns 601 650) --hazards all --frames 12000 --seed 91
collect p_fast --driver "$before/cilrs_seed1.onnx" --town $(towns 651 700) --hazards all --speed-kmh 50 --frames 9000 --seed 92
people=DynamicObjectCrossing,ParkingCrossingPedestrian
collect w_slow --driver "$before/cilrs_seed1.onnx" --town $(towns 701 725) --hazards $people --frames 4000 --seed 93
collect w_fast --driver "$before/cilrs_seed1.onnx" --town $(towns 726 750) --hazards $people --speed-kmh 50 --frames 4000 --seed 94
collect n_slow --town $(towns 301 350) --hazards all --frames 7000 --seed 71
collect n_fast --town $(towns 351 400) --hazards all --speed-kmh 50 --frames 7000 --seed 72
collect n_random --driver "$v8" --town $(towns 451 520) --frames 5000 --seed 74
collect n_maps --driver "$v8" --town Town01 Town02 --maps "$maps" --sceneries 16 --frames 4000 --seed 75
# side by side, one thread each: threads that wait for each other are slow on cores that others use as well
same=(--data p_slow p_fast w_slow w_fast n_slow n_fast n_random n_maps --learning-rate 0.0004 --brake-weight 0.2 --seed 1 --threads 1 --minutes 35)
train cilrs_seed1 "${same[@]}" --init "$before/cilrs_seed1.safetensors" > cilrs_seed1.log &
first=$!
train cilrs_augmented_seed1 "${same[@]}" --init "$before/cilrs_augmented_seed1.safetensors" --transfuser 0.5
wait "$first"
echo "the exports and their cards are in $PWD; compare with the first round by validation routes (--route-set validation), with and without hazards"
