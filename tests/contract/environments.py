"""Runs the contract tests against each TensorRT, in an environment of its own: `make contract`.

Environments are kept under build/contract/ and made again when their packages change. Needs uv on the PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT

HERE = Path(__file__).parent
COMMON = (
    "cuda-python>=13,<14",
    "hydra-core",
    "ml-dtypes",
    "numpy",
    "omegaconf",
    "onnx",
    "onnxruntime",
    "pytest",
    "rich",
)
ENVIRONMENTS = {
    "tensorrt-rtx==1.4.0.76": "test_contract_rtx.py",
    "tensorrt-rtx==1.6.1.120": "test_contract_rtx.py",
    "tensorrt-rtx==1.7.1.116": "test_contract_rtx.py",
    "tensorrt-lean==10.16.1.11": "test_contract_lean.py",
    "tensorrt-lean==11.4.0.106": "test_contract_lean.py",
}


def python_of(requirement: str) -> Path:
    """The interpreter of an environment with this package, made if it is missing."""
    directory = ROOT / "build" / "contract" / requirement.replace("==", "-")
    python, packages = directory / "bin" / "python", "\n".join((requirement, *COMMON))
    ready = directory / "packages.txt"
    if not ready.exists() or ready.read_text() != packages:
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, directory], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, requirement, *COMMON], check=True)
        ready.write_text(packages)
    return python


def passes(requirement: str, tests: str) -> bool:
    """Whether the tests pass there, with at least one that was not skipped."""
    print(f"== {requirement}", flush=True)
    command = [str(python_of(requirement)), "-m", "pytest", "-q", "-rs", str(HERE / tests)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    """Run them all; 1 if any failed."""
    failed = [requirement for requirement, tests in ENVIRONMENTS.items() if not passes(requirement, tests)]
    print("failed: " + ", ".join(failed) if failed else f"all {len(ENVIRONMENTS)} environments passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
