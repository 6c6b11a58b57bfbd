"""The folder of a stage's temporary files, its libraries' too: it goes with the stage, however that ends."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from roundoff.system.processes import has_ended, here

LEFT = re.compile(r"roundoff-(\d+)-([0-9a-f]{8})-")


def scratch_folder() -> Path:
    """A new folder for the temporary files of this process and its children from now on; to be removed at the end.

    What stages that were killed have left is removed first. Raises OSError where no temporary file can be written.
    """
    _remove_left(Path(tempfile.gettempdir()))
    folder = tempfile.mkdtemp(prefix=f"roundoff-{os.getpid()}-{here()}-")
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    return Path(folder)


def emptied(folder: Path) -> None:
    """Leave the next process of this one nothing of what the one before it had there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def _remove_left(shared: Path) -> None:
    """Remove this user's folders whose process, of this machine, has ended."""
    with os.scandir(shared) as entries:
        for entry in entries:
            named = LEFT.match(entry.name)
            if named is None or named[2] != here() or not entry.is_dir(follow_symlinks=False):
                continue
            seen = entry.stat(follow_symlinks=False)
            if seen.st_uid == os.getuid() and has_ended(int(named[1]), seen.st_ctime):
                shutil.rmtree(entry.path, ignore_errors=True)
