"""Composes conf/ into params.yaml, as `dvc exp run -S` does: `python -m roundoff.pipeline.params [OVERRIDE ...]`."""

from __future__ import annotations

import sys
from pathlib import Path


def write_params(output: Path, overrides: list[str]) -> None:
    """Compose conf/config.yaml beside `output` with `overrides` into `output`, by DVC's own function."""
    from dvc.utils.hydra import compose_and_dump

    root = output.parent.resolve()
    compose_and_dump(output, str(root / "conf"), None, "config", str(root), overrides)


if __name__ == "__main__":
    write_params(Path("params.yaml"), sys.argv[1:])
