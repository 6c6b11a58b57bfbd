"""The schema of the metrics files as Markdown tables, made of the dataclasses that hold their content.

`python -m roundoff.results.describe docs/metrics.md` rewrites the tables of that document; a test holds them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from msgspec import inspect

from roundoff.results.build import BuildInfo, BuildMetrics, Builds
from roundoff.results.cell import Accuracy, Batch, BindingInfo, CellMetrics, Energy, Numerics, Speedup
from roundoff.results.layers import CellLayers, Profile, Roofline
from roundoff.results.message import Message
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.results.precision import Types
from roundoff.results.run import AaControl, Conditions, Device, Head, Method, Origin
from roundoff.results.summary import Answer, BestCell
from roundoff.results.verdict import CellVerdict, Criterion, Recommendation, Requirements, SpeedVerdict, Verdict
from roundoff.system.files import write_text
from roundoff.system.slots import MORE, STAGED

START, END = "<!-- schema -->", "<!-- /schema -->"
FILES: dict[str, tuple[type[Any], ...]] = {
    "summary.json (Answer by `answer`, BestCell by precision)": (Answer, BestCell),
    f"{', '.join(f'{name}.json' for name in STAGED)} (by backend), {MORE}.json (by precision, then by backend)": (
        *(CellMetrics, Numerics, Builds, Accuracy, Energy, Batch, BindingInfo),
        *(Head, Platform, Cpu, Gpu, Method, Origin, Types, Device, Conditions, AaControl, Speedup),
    ),
    "verdict.json": (Verdict, Requirements, CellVerdict, Criterion, SpeedVerdict, Recommendation),
    "build-PRECISION.json (by backend)": (BuildMetrics, BuildInfo),
    "profile.json": (Profile, CellLayers, Roofline),
    "in all of them": (Message,),
}
PLAIN = {
    "FloatType": "number",
    "IntType": "integer",
    "StrType": "text",
    "BoolType": "true or false",
    "NoneType": "null",
}


def tables() -> str:
    """A heading for each file, a table for each level: key, values, meaning."""
    parts = []
    for name, kinds in FILES.items():
        parts.append(f"### {name}")
        parts += [_table(kind) for kind in kinds]
    return "\n\n".join(parts)


def _table(kind: type[Any]) -> str:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.DataclassType)
    summary = (kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    lines = [f"**{kind.__name__}**: {summary}", "", "| key | value | meaning |", "| --- | --- | --- |"]
    for field in info.fields:
        key = "batch_N" if field.name == "batches" else field.name
        lines.append(f"| `{key}` | {_words(field.type)} | {_meaning(field.type)} |")
    return "\n".join(lines)


def _meaning(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("description", ""))
    return ""


def _words(kind: inspect.Type) -> str:
    """A type in words, with the limits of its values."""
    match kind:
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            return " or ".join(_words(each) for each in kind.types)
        case inspect.ListType() | inspect.VarTupleType():
            return f"list of {_words(kind.item_type)}"
        case inspect.TupleType():
            return f"[{', '.join(_words(each) for each in kind.item_types)}]"
        case inspect.DictType():
            return _mapping(kind)
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in kind.values)
        case inspect.DataclassType():
            return str(kind.cls.__name__)
        case inspect.FloatType() | inspect.IntType():
            return PLAIN[type(kind).__name__] + _limits(kind)
    return PLAIN.get(type(kind).__name__, "any")


def _mapping(kind: inspect.DictType) -> str:
    value = _words(kind.value_type)
    return value if isinstance(kind.key_type, inspect.IntType) else f"object of {value}"


def _limits(kind: inspect.FloatType | inspect.IntType) -> str:
    parts = [(kind.gt, "above {}"), (kind.ge, "from {}"), (kind.le, "to {}")]
    told = [text.format(f"{limit:g}") for limit, text in parts if limit is not None]
    return f" {' '.join(told)}" if told else ""


def main(path: Path) -> None:
    """Rewrite the block between the schema comments of a document."""
    before, rest = path.read_text(encoding="utf-8").split(START)
    write_text(path, f"{before}{START}\n{tables()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
