"""What a measuring rule's row says."""

from __future__ import annotations

from collections.abc import Callable

from roundoff.results.message import Words
from roundoff.revisions.read import Evidence

Seen = tuple[bool | None, str]
"""Whether the rule held (None where the run's files do not tell), and what they say."""

Rule = Callable[[Evidence, Words], Seen]
NOTHING: Seen = (None, "")
