#!/usr/bin/env bash
# Teachers that restore, their ensemble, and the students of both looks with their controls, within a quarter of an hour of one large GPU.
# CLEAR and SIM: simulator pairs (harness.perception pairs) of different towns: teachers see the clear pictures of the first alone, students the degraded ones of the second;
# REAL: sets of real pairs, divided by a colon. Everything that exists is kept, and a run that was cut short goes on. The same script at another size runs on a CPU (recipes/README.md).
set -euo pipefail
[ $# -eq 4 ] || { echo "usage: recipes/device.sh WORK CLEAR SIM REAL[:REAL...]" >&2; exit 2; }
clear=$(realpath "$2"); sim=$(realpath "$3"); IFS=: read -ra real <<< "$4"
for i in "${!real[@]}"; do real[i]=$(realpath "${real[i]}"); done
mkdir -p "$1"; cd "$1"
python=${PYTHON:-python}

# teacher NAME ARGUMENTS: one teacher, in minutes
teacher() {
  local name=$1; shift
  [ -e "$name/done" ] && return
  local begin=(); [ -n "${INIT:-}" ] && begin=(--init "$INIT/$name")
  local again=(); [ -e "$name/state.pt" ] && again=(--resume)
  "$python" -m fusionproxy.teachers.train --teacher "$name" --prediction sample --pairs "$clear" "${real[@]}" --split train \
    --crop "${CROP:-160}" --batch "${BATCH:-64}" --minutes "${TEACHER_MINUTES:-5}" --check-every "${CHECK_EVERY:-500}" --device "${DEVICE:-auto}" \
    --out "$name" "${begin[@]}" "${again[@]}" "$@"
  mkdir -p "$name"; touch "$name/done"
}
# cache NAME PAIRS SETS: the ensemble of both teachers on so many pairs of each set
cache() {
  local name=$1 limit=$2; shift 2
  "$python" -m fusionproxy.ensemble --pairs "$@" --split train --limit "${@/*/$limit}" --teacher ddfm=ddfm --teacher mask_difuser=mask_difuser --samples "${SAMPLES:-4}" \
    --ddfm-visible restored --ddfm-steps "${DDFM_STEPS:-25}" --mask-steps 5 --size "${IMAGES:-320x240}" --panel "${PANEL:-standin}" --workers "${WORKERS:-6}" --device "${DEVICE:-auto}" --out "$name"
}
# student NAME ARGUMENTS: one student, exported as NAME.onnx with its card
student() {
  local name=$1; shift
  [ -e "$name.onnx" ] && return
  "$python" -m fusionproxy.train --out "run_$name" --student "${STUDENT:-cpu}" --minutes "${STUDENT_MINUTES:-4}" --batch "${STUDENT_BATCH:-16}" \
    --device "${DEVICE:-auto}" --resume "$@"
  "$python" -m fusionproxy.export "run_$name" --out "$name.onnx"
}
# together COMMAND...: named function calls in processes of their own, at most JOBS at a time; fails if one fails
together() {
  local running=0
  for call in "$@"; do
    [ "$running" -lt "${JOBS:-$#}" ] || { wait -n; running=$((running - 1)); }
    $call & running=$((running + 1))
  done
  while [ "$running" -gt 0 ]; do wait -n; running=$((running - 1)); done
}

restoring() { teacher mask_difuser --size "${TEACHER:-small}" --weather-share 0.8; }
prior() { teacher ddfm --size "${PRIOR:-small}"; }
together restoring prior
cache CACHE_SIM "${SIM_PAIRS:-2000}" "$sim"
cache CACHE_REAL "${REAL_PAIRS:-200}" "${real[@]}"
distilled() { student student_sim --ensemble CACHE_SIM; }
real_one() { student student_real --ensemble CACHE_REAL; }
restored() { student student_restored --ensemble CACHE_SIM --blank-infrared; }
direct() { student student_direct --clear "$clear"; }
together distilled real_one restored direct
echo "students with their cards are in $PWD; look at mask_difuser/samples.png and run_*/samples.png, then judge by poses (harness.perception act)"
