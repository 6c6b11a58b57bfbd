"""Settings that backends on a GPU share, and how a wrong one is refused."""

from __future__ import annotations

from collections.abc import Sequence

from roundoff.errors import ConfigError
from roundoff.pipeline.limits import MOST_BATCH, MOST_BATCH_SIZES

MOST_STREAMS = 64
A_GPU = "a machine with an NVIDIA GPU and its driver"


def require_setting(holds: bool, backend: str, name: str, received: object, expected: str) -> None:
    """Raise ConfigError, which names the setting, unless it `holds`."""
    if not holds:
        raise ConfigError(
            f"{name} of the {backend} backend is wrong",
            received=received,
            expected=expected,
            fix="set it to what is expected; conf/backend/ has values that work",
        )


def require_batch_sizes(sizes: Sequence[int], backend: str) -> None:
    """Raise ConfigError unless there are some, not too many, each a batch size."""
    fitting = 1 <= len(sizes) <= MOST_BATCH_SIZES and 1 <= min(sizes) <= max(sizes) <= MOST_BATCH
    expected = f"one to {MOST_BATCH_SIZES} sizes, each of 1 or more, up to {MOST_BATCH}"
    require_setting(fitting, backend, "batch_sizes", list(sizes), expected)


def require_streams(streams: int, backend: str) -> None:
    """Raise ConfigError unless so many batches in flight hide the copies."""
    expected = f"at least 2, so that copies overlap compute, at most {MOST_STREAMS}"
    require_setting(2 <= streams <= MOST_STREAMS, backend, "streams", streams, expected)
