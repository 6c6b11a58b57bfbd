"""What an engine computes in, from TensorRT's engine inspector and the multiplications of the ONNX graph."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roundoff.errors import GateError
from roundoff.results.build import LayerTypes
from roundoff.results.message import Message, message

if TYPE_CHECKING:
    import onnx

# The first that matches counts: TensorRT's words for types, narrowest first.
TYPES = {
    "int8": r"int8",
    "float8_e4m3fn": r"fp8|fp8_?e4m3|e4m3",
    "bfloat16": r"bfloat16|bf16",
    "float16": r"half|fp16|float16",
    "float32": r"float|fp32|float32",
    "uint8": r"uint8",
}
MULTIPLIERS = re.compile(r"correlation|conv|gemm|matmul|matrix.?multiply|runtime_fusion", re.IGNORECASE)
CONVOLUTIONS = re.compile(r"correlation|conv", re.IGNORECASE)  # a matrix product may be a runtime_fusion, too
UNKNOWN = "unknown"
PROFILE = re.compile(r"\[profile (\d+)\]")
LOG_HEADING = "Layers:\n"
LOG_LAYER = re.compile(
    r"^Name: (?P<Name>.*?), LayerType: (?P<LayerType>[^,]*), Inputs: \[(?P<Inputs>.*?)\], "
    r"(?:Constants|Outputs): .*?, TacticName: .*?(?:, Metadata: (?P<Metadata>.*))?$"
)


@dataclass(frozen=True)
class Layer:
    """One layer of an engine: the type that it reads (NumPy's name), the ONNX nodes that it comes from, its profile.

    `name` is TensorRT's, by which its profiler calls it, and is among the nodes.
    """

    kind: str
    reads: str | None
    nodes: frozenset[str]
    profile: int = 0
    name: str = field(default="", compare=False)

    @property
    def multiplies(self) -> bool:
        """Whether it is a convolution or a matrix product."""
        return bool(MULTIPLIERS.search(self.kind))


def layers_from_log(message: str) -> list[Layer]:
    """Layers from the listing that TensorRT-RTX logs at the end of a build, each on its own line."""
    layers: list[Layer] = []
    for one in filter(None, map(LOG_LAYER.match, message.splitlines())):
        formats = " ".join(re.findall(r"Datatype: ([^,}]+)", one["Inputs"]))
        profile = _profile(one["Name"] + one["Inputs"], layers)
        layers.append(_layer(one["LayerType"], formats, one["Name"], one["Metadata"], profile))
    return layers


def layers_from_inspector(information: str) -> list[Layer]:
    """Layers from the engine inspector's JSON; none where it was built to tell names only."""
    layers: list[Layer] = []
    for entry in json.loads(information).get("Layers", []):
        if isinstance(entry, dict):
            name, kind = str(entry.get("Name", "")), str(entry.get("LayerType", ""))
            profile = _profile(f"{name}{entry.get('Inputs')}", layers)
            layers.append(_layer(kind, _formats(entry), name, entry.get("Metadata"), profile))
    return layers


def _profile(names: str, before: Sequence[Layer]) -> int:
    """The profile that a name in the layer says; layers are listed profile by profile, and not all of them say it."""
    said = PROFILE.search(names)
    return int(said[1]) if said else before[-1].profile if before else 0


def _formats(entry: Mapping[str, Any]) -> str:
    """What the inputs are in; where that is not known (without a context: "N/A due to dynamic shapes"), the weights."""
    inputs, weights = entry.get("Inputs"), entry.get("Weights")
    tensors = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    words = " ".join(str(one.get("Datatype") or one.get("Format/Datatype") or "") for one in tensors)
    if _type(words) is None and isinstance(weights, dict):
        return str(weights.get("Type", ""))
    return words


def _type(words: str) -> str | None:
    """The narrowest of the types that are named."""
    words = words.replace("_", " ")
    return next(
        (t for t, names in TYPES.items() if re.search(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", words, re.IGNORECASE)),
        None,
    )


def _layer(kind: str, formats: str, name: str, metadata: str | None, profile: int) -> Layer:
    nodes = re.findall(r"\[ONNX Layer: ([^\]]*)\]", metadata or "")
    return Layer(kind, _type(formats), frozenset([*nodes, name]), profile, name)


def summarize(layers: Sequence[Layer], macs: Mapping[str, int]) -> LayerTypes:
    """What the engine computes in.

    `layer_types`: convolutions and matrix products by the type of what they read (the narrowest); `all_layer_types`:
    all layers that read something; both count one run, so of several profiles the one with most of a type.
    `compute_share`: the share of each type in the multiply-adds `macs` (by ONNX node), averaged over the layers that
    name the node; "unknown" is what no multiplying layer of known type names, and None says that none names any.
    """
    types = _most([(layer.profile, layer.reads or UNKNOWN) for layer in layers if layer.multiplies])
    every = _most([(layer.profile, layer.reads) for layer in layers if layer.reads])
    return LayerTypes(layer_types=types, all_layer_types=every, compute_share=_share(layers, macs))


def note(types: Mapping[str, int]) -> Message | None:
    """The types of the layers that multiply, where they are not all alike."""
    counts = [message("layers_in", count=count, kind=kind) for kind, count in types.items()]
    return message("multiplying_layers", counts=counts) if len(types) > 1 else None


def _share(layers: Sequence[Layer], macs: Mapping[str, int]) -> dict[str, float] | None:
    done: dict[str, float] = {}
    for node, count in macs.items():
        kinds = [layer.reads for layer in layers if layer.multiplies and node in layer.nodes and layer.reads]
        for kind in kinds or [UNKNOWN]:
            done[kind] = done.get(kind, 0.0) + count / len(kinds or [UNKNOWN])
    total = sum(done.values())
    return {kind: count / total for kind, count in done.items()} if done.keys() - {UNKNOWN} and total else None


def _most(profiled: Sequence[tuple[int, str]]) -> dict[str, int]:
    """The most of each type in any one profile."""
    counts: dict[str, int] = {}
    for (_, kind), count in Counter(profiled).items():
        counts[kind] = max(count, counts.get(kind, 0))
    return counts


def decides(layer_types: Mapping[str, int] | None) -> bool:
    """Whether the types of all layers that multiply are known."""
    return bool(layer_types) and UNKNOWN not in (layer_types or {})


def refuse_false_claim(claimed: Iterable[str], layers: Sequence[Layer], unknown_counts: bool) -> None:
    """GateError for an engine that claims an 8-bit type and has no convolution in it.

    Where most of its layers are matrix products, as in a ViT whose one convolution cuts the image up, those count, too.
    Layers of unknown type, and an engine of which nothing is told, pass if `unknown_counts`: where a better account was
    given already, or is to come once a context is set.
    """
    multiplying = [layer for layer in layers if layer.multiplies]
    convolutions = [layer for layer in multiplying if CONVOLUTIONS.search(layer.kind)]
    deciding = convolutions if 2 * len(convolutions) >= len(multiplying) else multiplying
    read = {layer.reads or UNKNOWN for layer in deciding}
    if unknown_counts and (not read or UNKNOWN in read):
        return
    told = Counter(f"{layer.kind} in {layer.reads or UNKNOWN}" for layer in multiplying)
    for kind in {"int8", "float8_e4m3fn"}.intersection(claimed) - read:
        raise GateError(
            message("false_claim", kind=kind),
            received=dict(told) or "nothing: this library does not tell what the engine's layers are",
            expected=f"at least one convolution that reads {kind} (a matrix product, where most layers are such)",
            fix="leave this precision out for this backend, or use a version that computes in it and tells so",
        )


def multiplications(model: onnx.ModelProto) -> dict[str, int]:
    """Multiply-adds per image of each node that multiplies, by its name."""
    from roundoff.graph.costs import Costs

    return Costs.of(model, 1).macs
