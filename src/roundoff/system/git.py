"""Git, asked from one place."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(
    folder: Path, *arguments: str, given: str | None = None, index: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """What git answers in a folder, whatever its exit code; FileNotFoundError where git is not installed.

    `given` is its standard input, `index` a file in place of the folder's own index.
    """
    command = ["git", "-C", str(folder), *arguments]
    environment = None if index is None else {**os.environ, "GIT_INDEX_FILE": str(index)}
    return subprocess.run(
        command,
        input=given,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
