"""What an engine is made of, and whether it is what it claims to be."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from roundoff.backend.trt import build as trt_build
from roundoff.backend.trt.inspect import (
    Layer,
    layers_from_inspector,
    note,
    refuse_false_claim,
    summarize,
)
from roundoff.errors import GateError
from roundoff.results.build import LayerTypes
from tests.support.present import present

INSPECTION = {
    "Layers": [
        {"Name": "Reformat", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Float"}]},
        {"Name": "scaling", "LayerType": "kgen", "Inputs": [{"Datatype": "UInt8", "Format": "(Linear) Row major"}]},
        {
            "Name": "__myl_ConvRelu_myl0_1",
            "LayerType": "correlation",
            "Inputs": [{"Datatype": "Int8"}, {"Datatype": "Half"}],
            "Metadata": "[ONNX Layer: conv][ONNX Layer: relu]",
        },
        {"Name": "dense_layer", "LayerType": "gemm", "Inputs": [{"Format/Datatype": "Row major linear FP16"}]},
        {"Name": "done", "LayerType": "signal", "Inputs": []},
    ]
}


def test_inspection_shares_layers_and_compute_by_type():
    told = summarize(layers_from_inspector(json.dumps(INSPECTION)), {"conv": 300, "dense_layer": 100})
    assert told == LayerTypes(
        layer_types={"int8": 1, "float16": 1},
        all_layer_types={"float32": 1, "uint8": 1, "int8": 1, "float16": 1},
        compute_share={"int8": 0.75, "float16": 0.25},
    )
    assert str(note(present(told.layer_types))) == "convolutions and matrix products: 1 in int8, 1 in float16"


def test_shares_are_averaged_over_profiles_and_what_no_layer_names_is_unknown():
    def layer(profile: str, kind: str) -> dict[str, Any]:
        name = f"conv{profile}"
        return {"Name": name, "LayerType": "gemm", "Inputs": [{"Datatype": kind}], "Metadata": "[ONNX Layer: conv]"}

    first, second = layer("", "Int8"), layer(" [profile 1]", "Half")
    unnamed = {"Name": "wait", "LayerType": "conv", "Inputs": [{"Datatype": "Half"}]}
    found = summarize(
        layers_from_inspector(json.dumps({"Layers": [first, second, unnamed]})), {"conv": 300, "dense_layer": 100}
    )
    assert found.compute_share == {"int8": 0.375, "float16": 0.375, "unknown": 0.25}
    assert found.layer_types == {"int8": 1, "float16": 2}


def test_inspection_of_names_alone_tells_nothing():
    assert layers_from_inspector('{"Layers": ["conv + relu", "dense"]}') == []


def test_unknown_types_are_no_verdict_and_weights_tell_where_inputs_do_not():
    unknown = {"Name": "a", "LayerType": "Convolution", "Inputs": [{"Format/Datatype": "N/A due to dynamic shapes"}]}
    only = layers_from_inspector(json.dumps({"Layers": [unknown]}))
    assert summarize(only, {}).layer_types == {"unknown": 1}
    refuse_false_claim(["int8"], only, unknown_counts=True)
    weighed = {"Layers": [unknown | {"Weights": {"Type": "Int8", "Count": 432}}]}
    assert summarize(layers_from_inspector(json.dumps(weighed)), {}).layer_types == {"int8": 1}
    half = {"Layers": [unknown | {"Weights": {"Type": "Half", "Count": 432}}]}
    with pytest.raises(GateError, match="claims int8"):
        refuse_false_claim(["int8"], layers_from_inspector(json.dumps(half)), unknown_counts=True)


def test_one_wide_convolution_does_not_belie_many_narrow_matrix_products():
    def layer(name: str, kind: str, reads: str) -> dict[str, object]:
        return {"Name": name, "LayerType": kind, "Inputs": [{"Format/Datatype": reads}]}

    def claim(*told: dict[str, object]) -> None:
        layers = layers_from_inspector(json.dumps({"Layers": told}))
        refuse_false_claim(["float8_e4m3fn"], layers, unknown_counts=False)

    patches = layer("patches", "correlation", "Half")
    products = [layer(f"dense{number}", "gemm", "FP8") for number in range(3)]

    claim(patches, *products)
    with pytest.raises(GateError, match="claims float8_e4m3fn"):
        claim(patches, products[0])


def test_a_false_claim_is_refused():
    layers = layers_from_inspector(json.dumps(INSPECTION))
    refuse_false_claim(["int8", "float16"], layers, unknown_counts=False)
    refuse_false_claim(["float32"], [], unknown_counts=False)
    with pytest.raises(
        GateError, match=r"claims float8_e4m3fn shows no convolution in float8_e4m3fn\n  received: {.* in int8': 1"
    ):
        refuse_false_claim(["float8_e4m3fn"], layers, unknown_counts=False)


def test_a_matrix_product_does_not_make_an_engine_of_convolutions_int8():
    half = Layer("Convolution", "float16", frozenset())
    product = Layer("gemm", "int8", frozenset())
    fused = Layer("runtime_fusion", "float32", frozenset())
    refuse_false_claim(["int8"], [product, fused], unknown_counts=False)
    with pytest.raises(
        GateError, match=r"no convolution in int8\n  received: {'Convolution in float16': 1, 'gemm in int8': 1}"
    ):
        refuse_false_claim(["int8"], [half, product], unknown_counts=True)


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [Layer("kgen", "float16", frozenset())],
        [Layer("Convolution", kind, frozenset()) for kind in ("float16", None)],
    ],
    ids=["nothing told", "nothing that multiplies", "one of unknown type"],
)
def test_a_claim_that_is_not_shown_is_refused_unless_another_account_decides(layers):
    refuse_false_claim(["int8"], layers, unknown_counts=True)
    with pytest.raises(GateError, match="shows no convolution in int8"):
        refuse_false_claim(["int8"], layers, unknown_counts=False)


@pytest.mark.parametrize("missing", ["engine", "inspector", None])
def test_layers_of_a_version_compatible_plan_need_its_own_runtime(missing):
    runtime = SimpleNamespace(engine_host_code_allowed=False)
    inspector = SimpleNamespace(get_engine_information=lambda kind: json.dumps(INSPECTION))
    engine = SimpleNamespace(create_engine_inspector=lambda: None if missing == "inspector" else inspector)
    refused = missing == "engine"
    runtime.deserialize_cuda_engine = lambda plan: None if refused or not runtime.engine_host_code_allowed else engine
    library = SimpleNamespace(
        Runtime=lambda log: runtime, IBuilderConfig=object, LayerInformationFormat=SimpleNamespace(JSON=1)
    )
    layers = trt_build._layers(library, b"plan", SimpleNamespace(layers=""), host_code=True)
    assert len(layers) == (0 if missing else 5)
