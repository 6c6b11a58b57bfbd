"""Git, asked from one place."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What git answers in a folder, whatever its exit code; FileNotFoundError where git is not installed."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False)
