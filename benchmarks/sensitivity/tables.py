"""The result as Markdown."""

from __future__ import annotations

from typing import Any

ORDERS = ("roundoff", "nncf", "noise", "random")


def tables(result: dict[str, Any]) -> str:
    """A table of what measuring gives and costs, and one of the orders."""
    rows = [row for row in result["rows"] if row["kind"] == "network"]
    adding = [_line("network", "tensors", "INT8's error", "√ sum of squares", "half passes a tensor", "seconds")]
    adding.append(_line("---", *("---:" for _ in range(5))))
    orders = [
        _line(
            "network",
            "INT8's agreement",
            *(f"{name}" for name in ORDERS),
            *(f"{name}, error" for name in ORDERS),
            "search: roundoff, nncf (s)",
        )
    ]
    orders.append(_line("---", *("---:" for _ in range(2 * len(ORDERS) + 2))))
    for row in rows:
        error, root = (f"{100 * row[name]:.2f} %" for name in ("error", "root_sum_squares"))
        adding.append(
            _line(row["network"], row["sources"], error, root, f"{row['passes_per_half']:.2f}", f"{row['seconds']:.0f}")
        )
        raced = row["orders"]
        shares = [_share(raced[kind].get(name)) for kind in ("by_agreement", "by_error") for name in ORDERS]
        seconds = ", ".join("–" if value is None else f"{value:.0f}" for value in raced["seconds"].values())
        orders.append(_line(row["network"], f"{100 * raced['agreement']:.2f} %", *shares, seconds))
    return "\n".join(adding) + "\n\n" + "\n".join(orders)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
