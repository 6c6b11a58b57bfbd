"""What tf2onnx writes otherwise than ONNX has it, put right."""

from __future__ import annotations

import onnx

from roundoff.graph.inside import all_nodes

REMOVED_MODE = "tf_half_pixel_for_nn"  # of Resize, up to operator set 12


def corrected(model: onnx.ModelProto) -> None:
    """Correct, in place, transposed convolutions and resizing to the nearest pixel."""
    for node in all_nodes(model.graph):
        if node.op_type == "ConvTranspose":
            _without_negative_pads(node)
        elif node.op_type == "Resize":
            _in_half_pixels(node)


def _without_negative_pads(node: onnx.NodeProto) -> None:
    """Where the result is larger than what the inputs reach, TensorFlow has zeros behind it: ONNX's output_padding."""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    pads = list(attributes["pads"].ints) if "pads" in attributes else []
    if min(pads, default=0) >= 0:
        return
    rank = len(pads) // 2
    totals = [before + behind for before, behind in zip(pads[:rank], pads[rank:], strict=True)]
    before = [max(total, 0) // 2 for total in totals]
    behind = [max(total, 0) - less for total, less in zip(totals, before, strict=True)]
    attributes["pads"].ints[:] = [*before, *behind]
    node.attribute.append(onnx.helper.make_attribute("output_padding", [max(-total, 0) for total in totals]))


def _in_half_pixels(node: onnx.NodeProto) -> None:
    """⌊p⌋ of a place p without TensorFlow's half pixel is ⌊(p − ½) + ½⌋ with it: half_pixel, round_prefer_ceil."""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    mode = attributes.get("coordinate_transformation_mode")
    if mode is not None and mode.s.decode() == REMOVED_MODE and attributes["nearest_mode"].s == b"floor":
        mode.s = b"half_pixel"
        attributes["nearest_mode"].s = b"round_prefer_ceil"
