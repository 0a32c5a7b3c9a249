# Sourced by cilrs_pair.sh and cilrs_pair_again.sh: what their steps are made of.
python=${PYTHON:-python}

# towns A B: the names random:A to random:B
towns() { seq -f 'random:%g' "$1" "$2"; }
# collect SET ARGUMENTS: one set of recorded drives; a set that was cut short goes on
collect() { local set=$1; shift; [ -e "$set/card.json" ] || "$python" -m policies.training.collect --out "$set" --workers 2 "$@"; }
# train NAME ARGUMENTS: one training, exported as NAME.onnx and NAME.safetensors
train() {
  local name=$1; shift
  [ -e "$name.onnx" ] && return
  local resume=(); [ -e "run_$name/last.pth" ] && resume=(--resume)
  "$python" -m policies.training.train --out "run_$name" --slimness 0.5 --lights ignore --precision bf16 --path-weight 0.2 \
    --scenery-swap 0.25 --brightness 0 --contrast 0 --tint 0 --noise 0 --ema-decay 0.99 "${resume[@]}" "$@"
  "$python" -m policies.training.export "run_$name" --out "$name.onnx"
}
