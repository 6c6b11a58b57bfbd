#!/usr/bin/env bash
# Makes what lies under results/h100 and results/h200: the evaluation and report of each model, the harness, the leak test, profiles, and two GPUs.
# Needs neither TensorFlow nor DVC (docs/tensorrt.md lists what it needs). Each step has a line in OUT/steps.txt;
# the exit code is 1 if one of them failed.
# Usage, in the repository's root: benchmarks/gpu/results.sh PREPARED OUT "STEPS" [MODEL.onnx ...]
#   STEPS: sensitivity build profile mix evaluate (each of what the ones before left in the same OUT; build and evaluate are enough)
#     harness leaks profiles spread (which wants two GPUs)
#   MODEL.onnx: by default those of results/models
#   BACKENDS, from the environment: what is evaluated (default: tensorrt_rtx,onnxruntime; with PyTorch torch,tensorrt_rtx,onnxruntime)
#   BATCHES, from the environment: batch sizes of the evaluation (default: 1,32,1024,8192)
#   MORE, from the environment: precisions beside FP32, FP16 and INT8 (default: tf32 bf16 fp8)
#   MIXED, from the environment: what `mix` chooses and builds, such as "fp8_mixed fp16_mixed" (default: none)
#   COST, from the environment: whose layer times are the costs where `profile` came before (default: the first of BACKENDS; null: multiply-adds)
#   TOGETHER, from the environment: 1 lets the builds of a model run side by side: shorter with many cores, where nothing that is timed picks the kernels
#   OVERRIDES, from the environment: further settings of the evaluation, separated by spaces
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
prepared=$(realpath "$1") out=$(realpath -m "$2") steps=$3
[ $# -gt 3 ] || set -- "$@" "$root"/results/models/{resnet8,resnet20,mobilenet_v2}.onnx
mapfile -t models < <(realpath "${@:4}")
MORE=${MORE-tf32 bf16 fp8} MIXED=${MIXED-} BACKENDS=${BACKENDS-tensorrt_rtx,onnxruntime}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/roundoff
untimed=  # the CPU, where it is beside a GPU
[[ ,$BACKENDS, != *,onnxruntime,* ]] || untimed=onnxruntime
settings=(
  "backend=[$BACKENDS]" "evaluate.batch_sizes=[${BATCHES-1,32,1024,8192}]" "evaluate.accuracy_only=[$untimed]"
  "precision=[fp32,fp16,int8${MORE:+,${MORE// /,}}${MIXED:+,${MIXED// /,}}]" verdict.batch_size=32
)
read -ra overrides <<< "${OVERRIDES:-}"
settings+=("${overrides[@]}")
export PYTHONPATH=$root/src:$root${PYTHONPATH:+:$PYTHONPATH}
failed=0

step() {  # NAME COMMAND …: run it, its output to OUT/log/NAME.txt, its seconds and exit code to OUT/steps.txt
  local name=$1 started=$SECONDS code=0
  "${@:2}" > "$out/log/$name.txt" 2>&1 || code=$?
  [ "$code" = 0 ] || failed=1
  echo "$name: $((SECONDS - started)) s, exit code $code" | tee -a "$out/steps.txt"
}

stages() {  # MODEL.onnx STAGE …: in the model's own folder, which the first of them makes
  local work; work=$out/work/$(basename "$1" .onnx)
  mkdir -p "$work/models/onnx" "$work/data" && cd "$work" || return 1
  cmp -s "$1" models/onnx/model.onnx || cp "$1" models/onnx/model.onnx
  [ -e data/prepared ] || ln -s "$prepared" data/prepared
  python3 -P -m roundoff.cli run "${@:2}" "${settings[@]}"
}

sensitivity() {  # MODEL.onnx: which tensors in 8 bits cost the answers
  stages "$1" probe calibrate sensitivity sensitivity=on
}

build() {  # MODEL.onnx: calibration and engines of all precisions that nothing is chosen for
  # shellcheck disable=SC2086
  local precisions=(fp32 fp16 int8 $MORE) jobs=() code=0
  stages "$1" probe calibrate || return 1
  if [ -z "${TOGETHER-}" ]; then stages "$1" "${precisions[@]/#/build-}"; return; fi
  for precision in "${precisions[@]}"; do
    ROUNDOFF_LOCK_DIRECTORY=$(mktemp -d) stages "$1" "build-$precision" & jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || code=1; done
  return "$code"
}

profile() {  # MODEL.onnx: times of the layers of what is built
  stages "$1" probe profile profile=on
}

mix() {  # MODEL.onnx: the choices on training images, and their engines
  local cost=()
  [ -e "$out/work/$(basename "$1" .onnx)/metrics/profile.json" ] && cost=("mix.cost_backend=${COST-${BACKENDS%%,*}}")
  # shellcheck disable=SC2086
  stages "$1" probe mix $(printf 'build-%s ' $MIXED) "${cost[@]}"
}

evaluate() {  # MODEL.onnx: the stages after that; the report in both languages
  local name work
  name=$(basename "$1" .onnx) work=$out/work/$(basename "$1" .onnx)
  [ -d "$work" ] || { echo "error: $work is missing: run the step build of this model first" >&2; return 1; }
  mkdir -p "$out/$name" && stages "$1" probe evaluate report || return 1
  cd "$work" || return 1
  python3 -P "$root/stages/report.py" "${settings[@]}" report.language=ja hydra.run.dir=ja hydra.output_subdir=null || return 1
  cp -r metrics/. platform.json "$out/$name"
  [ ! -d models/mixed ] || cp -r models/mixed "$out/$name"
  for kind in html md; do cp "ja/metrics/report.$kind" "$out/$name/report.ja.$kind"; done
}

harness() {  # DEVICES OUT.json [OPTION …]: our figures against the bare loop's and torch.compile's
  local arguments=()
  for model in "${models[@]}"; do
    local name; name=$(basename "$model" .onnx)
    arguments+=(--onnx "$name=$model")
    [ ! -e "$out/work/$name/models/calibration/table.json" ] ||
      arguments+=(--table "$name=$out/work/$name/models/calibration/table.json")
  done
  python3 -P -m benchmarks.gpu harness "${arguments[@]}" --images "$prepared" --work "$out/work/harness-$1" \
    --cache "$cache" --devices "$1" --out "$2" "${@:3}"
}

harness_of() {  # MODEL.onnx: one run of the harness
  local models=("$1") name; name=harness-$(basename "$1" .onnx)
  # shellcheck disable=SC2086
  step "$name" harness 1 "$out/$name.json" --precisions fp32 fp16 int8 $MORE --peer-batches 32 1024 --cold --check
}

profiles() {  # a range of batch sizes against fixed ones, all models
  local arguments=()
  for model in "${models[@]}"; do arguments+=(--onnx "$(basename "$model" .onnx)=$model"); done
  python3 -P -m benchmarks.gpu profiles "${arguments[@]}" --out "$out/profiles.json"
}

spread() {  # the stage evaluate on one GPU and on two
  local arguments=()
  for model in "${models[@]}"; do arguments+=(--onnx "$(basename "$model" .onnx)=$model"); done
  python3 -P -m benchmarks.gpu spread "${arguments[@]}" --images "$prepared" --work "$out/work/spread" --out "$out/spread.json" --check
}

mkdir -p "$out/log" "$out/work"
for name in $steps; do
  case $name in
    sensitivity | build | profile | mix | evaluate) for model in "${models[@]}"; do step "$name-$(basename "$model" .onnx)" "$name" "$model"; done ;;
    harness) for model in "${models[@]}"; do harness_of "$model"; done ;;
    leaks) step leaks python3 -P -m benchmarks.gpu leaks --onnx "${models[0]}" --cycles 1000 --out "$out/leaks.json" ;;
    profiles) step profiles profiles ;;
    spread) step spread spread ;;
    *) echo "error: no step $name; the steps are sensitivity, build, profile, mix, evaluate, harness, leaks, profiles and spread" >&2; exit 2 ;;
  esac
done
exit "$failed"
