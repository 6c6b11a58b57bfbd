"""An experiment's name, from its settings: the same settings on the same sources have the same name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

LONGEST = 48  # of the part that is read; what tells names apart comes after it
NOT_ALLOWED = re.compile(r"[^A-Za-z0-9.=]+")  # git's rules for refs allow more, but not everywhere


def experiment_name(settings: Sequence[str], changes: bytes) -> str:
    """A name such as `model-resnet20_calibrate-mse_1f3a9c04`, of the settings and the workspace's changes."""
    words = [_word(setting) for setting in settings]
    digest = hashlib.sha256("\0".join(sorted(settings)).encode() + b"\0" + changes).hexdigest()[:8]
    readable = "_".join(words)[:LONGEST].strip("-_.") or "default"
    return f"{readable}_{digest}"


def _word(setting: str) -> str:
    key, _, value = setting.partition("=")
    return NOT_ALLOWED.sub("-", f"{key.rpartition('.')[2]}-{value}").replace("=", "-").replace("..", ".").strip("-.")
