#!/usr/bin/env bash
# Teachers that restore, their ensemble, and a distilled student for each look with its controls, on a CPU: device.sh at another size.
# Two trainings of one thread each run at a time. INIT names a folder of teachers to begin with: a full path, or one as seen from WORK.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: [TEACHER_MINUTES=120] [STUDENT_MINUTES=60] [INIT=FOLDER] recipes/students.sh WORK REAL (REAL: folders RoadScene, MSRS and M3FD of infrared/visible pairs)" >&2; exit 2; }
here=$(realpath "$(dirname "$0")"); real=$(realpath "$2"); mkdir -p "$1"; cd "$1"
. "$here/student_steps.bash"

record
# Clear pictures and degraded ones are of different towns, so that no teacher sees the clear day of what it fuses.
pairs() { "$python" -m harness.perception pairs --poses poses.parquet --camera driving braking --workers 2 "$@"; }
pairs --town $(seq -f 'random:%g' 401 410) --level fog --out clear
pairs --town $(seq -f 'random:%g' 411 419) --count "${SIM_POSES:-40}" --thermal fog_ratio=0.1 fog_ratio=0.5 fog_ratio=1 --out sim
export OMP_NUM_THREADS=1 JOBS=2 WORKERS=2 DEVICE=cpu PANEL=standin
export TEACHER=${TEACHER:-street} PRIOR=${PRIOR:-street} CROP=${CROP:-128} BATCH=${BATCH:-8} TEACHER_MINUTES=${TEACHER_MINUTES:-120}
export SIM_PAIRS=${SIM_PAIRS:-600} REAL_PAIRS=${REAL_PAIRS:-50} DDFM_STEPS=${DDFM_STEPS:-10} STUDENT_MINUTES=${STUDENT_MINUTES:-60} STUDENT_BATCH=${STUDENT_BATCH:-8}
PYTHON=$python exec "$here/device.sh" . clear sim "$real/RoadScene:$real/MSRS:$real/M3FD"
