"""Upper bounds of settings: beyond them no machine goes, so a value there is a slip of the hand.

They are wide on purpose: what a given machine cannot hold is told by the stage that tries it.
"""

from __future__ import annotations

from roundoff.errors import ConfigError
from roundoff.pipeline.groups import remedy

MOST_SEED = 2**32 - 1  # what scikit-learn and Keras take
MOST_PIXELS = 4096  # a side of an image
MOST_BATCH = 2**16  # images of 224 × 224 in uint8 are 10 GB then
MOST_BATCH_SIZES = 64  # each is built and timed
MOST_IMAGES = 10**7  # to calibrate or compare with
MOST_THREADS = 1024
MOST_SECONDS = 24 * 3600.0
MOST_LOADS = 10_000  # of an engine, and rounds of one


def require(holds: bool, key: str, received: object, expected: str) -> None:
    """Raise ConfigError, which names the setting `key`, unless the condition holds."""
    if not holds:
        raise ConfigError(f"{key} is out of range", received=received, expected=expected, fix=remedy(key))


def check_seed(key: str, seed: int) -> None:
    """Raise ConfigError naming `key` unless `seed` is one that every generator takes."""
    if not 0 <= seed <= MOST_SEED:
        words = "negative" if seed < 0 else "too large"
        raise ConfigError(
            f"{key} is {words}", received=seed, expected=f"0 or more, at most {MOST_SEED}", fix="set seed=0"
        )
