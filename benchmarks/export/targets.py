"""What the export's benchmark asks of its result, and the table that the documentation shows of it."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
LEAST_EXPORTED = 0.95
HEADINGS = ("network", "weights (MB)", "outcome", "relative error", "LiteRT", "peak memory (MB)", "seconds")


def memory_limit_mb(facts: dict[str, Any]) -> float:
    """Three times the float32 weights, and 1.5 GB for the libraries."""
    return 3 * float(facts["weights_mb"]) + 1500


def targets(result: Result) -> dict[str, bool]:
    """Each target in words, and whether it was met; one that could not be measured is not."""
    tried = result["nets"]
    missing = [name for name in result["planned"] if tried.get(name, {}).get("outcome", "not built") == "not built"]
    crashed = [name for name, facts in tried.items() if facts["outcome"] == "traceback"]
    exported = sum(facts["outcome"] == "exported" for facts in tried.values())
    large = [name for name, facts in tried.items() if "peak_mb" in facts and facts["peak_mb"] > memory_limit_mb(facts)]
    enough = exported >= LEAST_EXPORTED * len(tried)
    return {
        f"every network was tried (not: {', '.join(missing) or 'none'})": not missing,
        f"no traceback (in: {', '.join(crashed) or 'none'})": not crashed,
        f"{exported} of {len(tried)} are exported, at least {LEAST_EXPORTED:.0%}": enough,
        f"three times the weights and 1.5 GB are enough (not for: {', '.join(large) or 'none'})": not large,
    }


def table(result: Result) -> str:
    """Markdown: one row for each network."""
    rows = [_row(name, result["nets"][name]) for name in result["planned"] if name in result["nets"]]
    lines = [_line(*HEADINGS), _line("---", "---:", "---", "---:", "---", "---:", "---:"), *rows]
    return "\n".join([*lines, "", f"Not tried, above 100 MB of float32 weights: {', '.join(result['too_large'])}."])


def _row(name: str, facts: dict[str, Any]) -> str:
    def shown(key: str, form: str) -> str:
        return format(facts[key], form) if key in facts else ""

    outcome = ": ".join([facts["outcome"], *([facts["words"].replace("|", "/")] if "words" in facts else [])])
    litert = facts.get("litert", "").replace("|", "/")
    measured = shown("relative_error", ".1e"), litert, shown("peak_mb", ".0f"), shown("seconds", ".0f")
    return _line(name, shown("weights_mb", ".1f"), outcome, *measured)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
