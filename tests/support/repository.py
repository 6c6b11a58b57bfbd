"""A git repository for a test."""

from __future__ import annotations

import subprocess
from pathlib import Path

IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")


def git(project: Path, *arguments: str) -> str:
    """What git prints; an error where it fails."""
    command = ["git", "-C", str(project), *IDENTITY, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(project: Path) -> str:
    """Commit all that is there; the commit."""
    git(project, "add", "-A")
    git(project, "commit", "-q", "--allow-empty", "-m", "metrics")
    return git(project, "rev-parse", "HEAD")
