"""Runs the contract tests against each TensorRT and onnxruntime-gpu, in environments of their own: `make contract`.

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
    "hydra-core",
    "ml-dtypes",
    "msgspec",
    "numpy",
    "nvidia-ml-py",
    "omegaconf",
    "onnx",
    "onnxruntime",
    "psutil",
    "pytest",
    "rich",
)
RTX, LEAN, BINDINGS = "test_contract_rtx.py", "test_contract_lean.py", "test_contract_bindings.py"
ONNXRUNTIME = "test_contract_onnxruntime.py"
REPLACED = {"onnxruntime-gpu": "onnxruntime"}  # the same module: only one of them is installed
CUDA_12, CUDA_13 = "cuda-python>=12.9,<13", "cuda-python>=13,<14"  # as pyproject.toml's extras
ENVIRONMENTS = {
    "tensorrt-rtx==1.4.0.76": (CUDA_13, RTX),
    "tensorrt-rtx==1.6.1.120": (CUDA_13, RTX),
    "tensorrt-rtx==1.7.1.116": (CUDA_13, RTX),
    "tensorrt-cu12-bindings==10.11.0.33": (CUDA_12, BINDINGS),  # the oldest that is supported
    "tensorrt-cu12-bindings==10.16.1.11": (CUDA_12, BINDINGS),
    "tensorrt-lean==10.16.1.11": (CUDA_13, LEAN),
    "tensorrt-lean==11.4.0.106": (CUDA_13, LEAN),
    "onnxruntime-gpu==1.24.4": (CUDA_12, ONNXRUNTIME),  # the oldest that is supported
    "onnxruntime-gpu==1.31.1": (CUDA_13, ONNXRUNTIME),
}
# that the fake GPU of the tests has the names and parameters of either cuda-python
OF_CUDA = ("tests/backend/trt/test_fakes.py", "-k", "fake_cuda_has_the_real")


def python_of(requirement: str, cuda: str) -> Path:
    """The interpreter of an environment with this package, made if it is missing."""
    directory = ROOT / "build" / "contract" / requirement.replace("==", "-")
    replaced = REPLACED.get(requirement.partition("==")[0])
    wanted = (requirement, cuda, *(name for name in COMMON if name != replaced))
    python, packages = directory / "bin" / "python", "\n".join(wanted)
    ready = directory / "packages.txt"
    if not ready.exists() or ready.read_text() != packages:
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, directory], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *wanted], check=True)
        ready.write_text(packages)
    return python


def passes(requirement: str, cuda: str, tests: str) -> bool:
    """Whether the tests pass there, with at least one of each file that was not skipped."""
    print(f"== {requirement}, {cuda}", flush=True)
    python, environment = str(python_of(requirement, cuda)), os.environ | {"PYTHONPATH": str(ROOT / "src")}
    runs = [
        subprocess.run([python, "-m", "pytest", "-q", "-rs", *chosen], cwd=ROOT, env=environment, check=False)
        for chosen in ([str(HERE / tests)], OF_CUDA)
    ]
    return all(run.returncode == 0 for run in runs)


def main() -> int:
    """Run them all; 1 if any failed."""
    failed = [requirement for requirement, others in ENVIRONMENTS.items() if not passes(requirement, *others)]
    print("failed: " + ", ".join(failed) if failed else f"all {len(ENVIRONMENTS)} environments passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
