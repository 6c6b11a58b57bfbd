"""What a build stage says of what it built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roundoff.results.message import Message
from roundoff.results.values import Count, NotNegative, Size, about


@dataclass(frozen=True, kw_only=True)
class Builds:
    """Builds of one cell."""

    count: Annotated[Size, about("how often the engine was built")]
    different: Annotated[Size, about("artifacts among them that differ")]


@dataclass(frozen=True, kw_only=True)
class LayerTypes:
    """What an engine computes in, by its runtime's own account."""

    layer_types: Annotated[
        dict[str, Count] | None, about("convolutions and matrix products by the type that they multiply in")
    ] = None
    all_layer_types: Annotated[dict[str, Count] | None, about("all layers by type")] = None
    compute_share: Annotated[dict[str, NotNegative] | None, about("share of the multiply-adds by type")] = None
    conversions: Annotated[Count | None, about("conversions of activations between 8 bits and floats in one run")] = (
        None
    )
    cpu_instructions: Annotated[
        list[str] | None,
        about("vector instructions of the CPU that ran it, by Linux's names: 8-bit answers differ by them"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BuildInfo(LayerTypes):
    """What a backend says of what it built; what it does not know is null."""

    notes: Annotated[list[Message], about("what a reader must know of the build")] = field(default_factory=list)
    made_for: Annotated[dict[str, str] | None, about("library, and GPU where the engine is bound to one")] = None
    weights: Annotated[str | None, about("type of the weights, by NumPy's name")] = None
    activations: Annotated[str | None, about("type of the activations")] = None
    tf32_allowed: Annotated[bool | None, about("whether FP32 may multiply in TF32")] = None
    profiles: Annotated[list[list[int]] | None, about("optimization profiles: least, best and largest batch size")] = (
        None
    )
    version_compatible: Annotated[bool | None, about("whether other versions of the library may load it")] = None
    build_warnings: Annotated[Count | None, about("warnings of the library")] = None
    multiplications: Annotated[dict[str, int] | None, about("multiply-adds of each layer")] = None


@dataclass(frozen=True, kw_only=True)
class BuildMetrics:
    """What a build stage did for one cell: build-PRECISION.json, by backend."""

    status: Annotated[Literal["built", "unavailable", "failed"], about("what became of it")]
    reason: Annotated[Message | None, about("why it was not built")] = None
    detail: Annotated[str | None, about("the builder's own words")] = None
    rerun: Annotated[str | None, about("the command that tries it again")] = None
    size_mb: Annotated[NotNegative | None, about("the artifact on disk, MB (10⁶ bytes)")] = None
    build_s: Annotated[NotNegative | None, about("seconds of the build")] = None
    builds: Annotated[Builds | None, about("how often it was built")] = None
    build_info: Annotated[BuildInfo | None, about("what the backend says of it")] = None
    sha256: Annotated[dict[str, str], about("SHA-256 of each file")] = field(default_factory=dict)
