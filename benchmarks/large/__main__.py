"""Networks of the usual size: `python -m benchmarks.large --help`."""

from __future__ import annotations

import sys

from benchmarks.commands import run

COMMANDS = {
    "images": "a zip of synthetic images of 1,000 classes",
    "measure": "the five networks in Keras and PyTorch through all stages: seconds and memory",
    "network": "one network of Keras with random weights and a fitted head",
    "timm": "the five networks of timm as ONNX, random weights and a fitted head",
}

if __name__ == "__main__":
    sys.exit(run("benchmarks.large", COMMANDS, sys.argv[1:]))
