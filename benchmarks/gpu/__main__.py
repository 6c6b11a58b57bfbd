"""Benchmarks on a GPU: `python -m benchmarks.gpu --help`. results.sh runs them all."""

from __future__ import annotations

import sys

from benchmarks.commands import run

COMMANDS = {
    "harness": "device time, throughput and accuracy beside a bare loop and torch.compile",
    "leaks": "loads and closes an engine over and over: what is not given back?",
    "profiles": "one optimization profile for a range of batch sizes beside fixed ones",
    "spread": "the stage evaluate on several GPUs beside one",
    "enlarge": "the same network with activations that float16 cannot hold",
    "resnet50": "trains and exports the ResNet-50 that results/ has figures of",
}

if __name__ == "__main__":
    sys.exit(run("benchmarks.gpu", COMMANDS, sys.argv[1:]))
