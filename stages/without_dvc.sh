#!/usr/bin/env bash
# The stages after export in the current folder, where DVC and TensorFlow are not installed (a bare GPU machine).
# There must be models/onnx/model.onnx and data/prepared; models/trained (for LiteRT) and metrics/curves.csv may be.
# Usage: PATH_TO_REPOSITORY/stages/without_dvc.sh "fp32 fp16 int8" [OVERRIDE ...]
#   STAGES, from the environment: which of them, where a machine is lent for minutes (default: all)
set -euo pipefail
stages=$(cd "$(dirname "$0")" && pwd)
precisions=$1
overrides=("${@:2}" hydra.run.dir=. hydra.output_subdir=null hydra/job_logging=stdout)
run() { python3 -X faulthandler "$stages/$1.py" "${@:2}" "${overrides[@]}"; }

for stage in ${STAGES:-probe calibrate build evaluate report}; do
  case $stage in
    build) for precision in $precisions; do
      case $precision in
        given*) run build_given "build.precision=$precision" ;;
        *) run build "build.precision=$precision" ;;
      esac
    done ;;
    *) run "$stage" ;;
  esac
done
