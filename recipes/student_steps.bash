# Sourced by student_oracle.sh and student_direct.sh: what their steps are made of.
python=${PYTHON:-python}

# record: moments of the expert's drives in towns that no test and no validation uses, with regular traffic and all hazards
record() { [ -e poses.parquet ] || "$python" -m harness.perception record --towns $(seq -f 'random:%g' 401 419) --poses 950 --seed 7 --out poses.parquet; }
# train NAME ARGUMENTS: one training, exported as student_NAME.onnx with its card
train() {
  local name=$1; shift
  [ -e "student_$name.onnx" ] && return
  "$python" -m fusionproxy.train --out "run_$name" --student cpu --batch 12 --resume "$@"
  "$python" -m fusionproxy.export "run_$name" --out "student_$name.onnx"
}
# twins NAME SEED ARGUMENTS: a student and its twin without infrared, side by side: two trainings of one thread each get further than one of two threads
# (2 x 25 against 25 images a second on two cores that other work shared). INIT names a folder with the weights of an earlier round to begin with.
twins() {
  local name=$1 seed=$2; shift 2
  export OMP_NUM_THREADS=${THREADS:-1}
  train "${name}_s$seed" --seed "$seed" "$@" $(begun "$name") & local first=$!
  train "${name}_rgb_s$seed" --seed "$seed" "$@" --blank-infrared $(begun "${name}_rgb")
  wait "$first"
}
# begun NAME: the flag that begins with the last round of a student, where INIT is given
begun() { [ -z "${INIT:-}" ] || echo --init "$(ls "$here/$INIT/student_$1"_round*.safetensors | tail -n 1)"; }
