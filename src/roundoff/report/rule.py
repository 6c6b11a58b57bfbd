"""What a measuring rule's row says."""

from __future__ import annotations

from collections.abc import Callable

from roundoff.report.evidence import Evidence
from roundoff.report.messages import Words

Seen = tuple[bool | None, str]
"""Whether the rule held (None where the run's files do not tell), and what they say."""

Rule = Callable[[Evidence, Words], Seen]
NOTHING: Seen = (None, "")
