"""Benchmarks of calibration: `python -m benchmarks.calibration --help`."""

from __future__ import annotations

import sys

from benchmarks.commands import run

COMMANDS = {
    "peers": "accuracy, time and memory beside ONNX Runtime's and Model Optimizer's calibration",
    "choice": "the default's squared error beside the best candidate's",
    "placement": "what each method of choosing ranges and each rule of placing pairs gains",
    "guards": "what the guards say of wrong calibration images",
}

if __name__ == "__main__":
    sys.exit(run("benchmarks.calibration", COMMANDS, sys.argv[1:]))
