"""Many versions of one graph in one graph: what they share is there once.

A version differs from the graph in what some of its nodes read. Copied are the nodes behind that difference; all that
comes before, and whatever does not depend on it, is computed once for all versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from roundoff.graph.inside import all_nodes, bodies
from roundoff.sensitivity.sources import Place

Reads = Mapping[Place, str]


def rewired(model: onnx.ModelProto, reads: Reads) -> onnx.ModelProto:
    """A copy of the model in which the inputs at these places read other tensors."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for (place, slot), name in sorted(reads.items()):
        _set_input(copy.graph.node[place], slot, name)
    return copy


def with_versions(model: onnx.ModelProto, versions: Sequence[Reads]) -> onnx.ModelProto:
    """The model with the output of each version behind its own one, in that order.

    Nodes have to be in topological order, the tensors that versions read before their readers.
    """
    output = model.graph.output[0]
    nodes: list[onnx.NodeProto] = list(model.graph.node)
    given = [output.name]
    for number, reads in enumerate(versions):
        copies, name = _behind(model, reads, f"@{number}", output.name)
        nodes += copies
        given.append(name)
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    del whole.graph.node[:], whole.graph.output[:], whole.graph.value_info[:]
    whole.graph.node.extend(_needed(nodes, given))
    for name in given:
        whole.graph.output.add().CopyFrom(output)
        whole.graph.output[-1].name = name
    used = {name for node in whole.graph.node for name in _read(node)}
    kept = [tensor for tensor in whole.graph.initializer if tensor.name in used]
    del whole.graph.initializer[:]
    whole.graph.initializer.extend(kept)
    return whole


def _behind(model: onnx.ModelProto, reads: Reads, suffix: str, output: str) -> tuple[list[onnx.NodeProto], str]:
    """Copies of the nodes that the difference reaches, and the name of what they give in place of `output`."""
    renamed: dict[str, str] = {}
    copies = []
    differing: dict[int, list[tuple[int, str]]] = {}
    for (place, slot), name in sorted(reads.items()):
        differing.setdefault(place, []).append((slot, name))
    for place, node in enumerate(model.graph.node):
        if place not in differing and renamed.keys().isdisjoint(_read(node)):
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for slot, name in differing.get(place, ()):
            _set_input(copy, slot, name)
        _rename_reads(copy, renamed)
        renamed |= {name: f"{name}{suffix}" for name in node.output if name}
        copy.output[:] = [renamed.get(name, name) for name in node.output]
        copy.name = f"{node.name}{suffix}" if node.name else ""
        copies.append(copy)
    return copies, renamed[output]


def _set_input(node: onnx.NodeProto, slot: int, name: str) -> None:
    if slot == len(node.input):
        node.input.append(name)
    else:
        node.input[slot] = name


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that the outputs depend on."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(_read(node))
            kept.append(node)
    return kept[::-1]


def _read(node: onnx.NodeProto) -> set[str]:
    """What a node reads, and what its bodies do, from inside or outside of them."""
    inside = (inner for body in bodies(node) for inner in all_nodes(body))
    return {*node.input, *(name for inner in inside for name in inner.input)}


def _rename_reads(node: onnx.NodeProto, renamed: Mapping[str, str]) -> None:
    for each in (node, *(inner for body in bodies(node) for inner in all_nodes(body))):
        each.input[:] = [renamed.get(name, name) for name in each.input]
