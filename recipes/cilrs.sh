#!/usr/bin/env bash
# CILRS v8 from nothing: an expert's drives, then seven rounds in which the last weights drive and the expert answers (DAgger).
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: recipes/cilrs.sh WORK MAPS (MAPS: CARLA's OpenDRIVE files of Town01 and Town02)" >&2; exit 2; }
maps=$(realpath "$2"); mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}

# towns A B: the names random:A to random:B
towns() { seq -f 'random:%g' "$1" "$2"; }
# collect SET ARGUMENTS: one set of recorded drives
collect() { local set=$1; shift; [ -e "$set" ] || "$python" -m policies.training.collect --out "$set" "$@"; }
# train VERSION ARGUMENTS: one round of training, exported as cilrs_VERSION.onnx and .safetensors
train() {
  local version=$1; shift
  [ -e "cilrs_$version.onnx" ] && return
  "$python" -m policies.training.train --out "run_$version" --slimness 0.5 --lights ignore "$@"
  "$python" -m policies.training.export "run_$version" --out "cilrs_$version.onnx"
}
round() { collect "$1" --workers 2 --driver "cilrs_$2.onnx" "${@:3}"; }
later=(--precision bf16 --path-weight 0.2 --scenery-swap 0.25)

collect cilrs_t02 --town Town02 --frames 33000 --seed 1
train v1 --data cilrs_t02 --minutes 36

round cilrs_t02_dagger v1 --town Town02 --frames 20000 --seed 2
train v2 --data cilrs_t02 cilrs_t02_dagger --minutes 45 --init cilrs_v1.safetensors

round c_t02 v2 --town Town02 --maps "$maps" --frames 9000 --seed 11
round a_t02 v2 --town Town02 --frames 8000 --seed 12
round c_t01 v2 --town Town01 --maps "$maps" --frames 6000 --seed 13
for i in 1 2 3 4 5 6 7 8; do round "c_r$i" v2 --town "random:$i" --frames 5000 --seed "$((20 + i))"; done
third=(c_t02 a_t02 c_t01 c_r1 c_r2 c_r3 c_r4 c_r5 c_r6 c_r7 c_r8)
train v3 --data "${third[@]}" --minutes 38 --init cilrs_v2.safetensors

round d_maps v3 --town Town01 Town02 --maps "$maps" --sceneries 16 --frames 14000 --seed 31
round d_random v3 --town $(towns 11 50) --frames 26000 --seed 32
round d_t02 v3 --town Town02 --sceneries 8 --frames 5000 --seed 33
train v4 --data d_maps d_random d_t02 "${third[@]}" --minutes 40 --init cilrs_v3.safetensors

round e_random v4 --town $(towns 61 160) --frames 36000 --seed 41
round e_maps v4 --town Town01 Town02 --maps "$maps" --sceneries 16 --frames 16000 --seed 42
round e_t02 v4 --town Town02 --sceneries 8 --frames 4000 --seed 43
round e_c02 v4 --town Town02 --maps "$maps" --sceneries 2 --frames 6000 --seed 45
sixth=(e_random e_maps e_t02 e_c02)
train v6 --data "${sixth[@]}" d_maps d_random d_t02 c_t02 a_t02 c_t01 --minutes 36 "${later[@]}" --init cilrs_v4.safetensors

round g_random v6 --town $(towns 161 260) --frames 15000 --seed 51
train v7 --data g_random "${sixth[@]}" --minutes 14 "${later[@]}" --learning-rate 0.0005 --init cilrs_v6.safetensors

round h_random v7 --town $(towns 181 270) --frames 26000 --seed 52
round h_c02 v7 --town Town02 --maps "$maps" --sceneries 2 --frames 8000 --seed 61
train v8 --data h_random h_c02 g_random "${sixth[@]}" --minutes 26 "${later[@]}" --learning-rate 0.0005 --init cilrs_v7.safetensors
echo "cilrs_v8.onnx, .safetensors and their card are in $1; compare with policies/weights"
