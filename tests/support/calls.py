"""Every call that roundoff makes of TensorRT, by class: the method, and how many arguments it gets beside self.

test_contract_rtx.py holds these tables against the sources, so that nothing is used and not checked.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from tests.support.places import ROOT

SOURCES = [
    *sorted((ROOT / "src/roundoff/backend/trt").glob("*.py")),
    *(ROOT / "benchmarks/gpu" / name for name in ("bare.py", "bare_life.py")),
]

BUILD = {
    "Builder": {
        "create_network": 1,
        "create_builder_config": 0,
        "create_optimization_profile": 0,
        "build_serialized_network": 2,
    },
    "OnnxParser": {"parse_from_file": 1, "get_error": 1},
    "ParserError": {"code": 0, "desc": 0, "node_name": 0, "node_operator": 0},
    "IBuilderConfig": {
        "set_memory_pool_limit": 2,
        "set_flag": 1,
        "clear_flag": 1,
        "add_optimization_profile": 1,
        "create_timing_cache": 1,
        "set_timing_cache": 2,
    },
    "IOptimizationProfile": {"set_shape": 4},
    "INetworkDefinition": {"get_input": 1},
    "ITimingCache": {"serialize": 0},
    "IProgressMonitor": {"phase_start": 3, "phase_finish": 1, "step_complete": 2},
    "ILogger": {"log": 2},
}
AHEAD_OF_TIME = {
    "IBuilderConfig": {"set_compute_capability": 2},
    "IRuntimeConfig": {"create_runtime_cache": 0, "set_runtime_cache": 1},
    "IRuntimeCache": {"serialize": 0, "deserialize": 1},
    "Runtime": {"get_engine_validity": 1},
}
INSPECT = {
    "EngineInspector": {"get_engine_information": 1},
    "IProfiler": {"report_layer_time": 2},
    "IExecutionContext": {"report_to_profiler": 0},
}
RUN = {
    "Runtime": {"deserialize_cuda_engine": 1},
    "ICudaEngine": {
        "get_tensor_name": 1,
        "get_tensor_mode": 1,
        "get_tensor_shape": 1,
        "get_tensor_profile_shape": 2,
        "get_device_memory_size_for_profile_v2": 1,
        "create_runtime_config": 0,
        "create_execution_context": 1,
        "create_engine_inspector": 0,
    },
    "IRuntimeConfig": {"set_execution_context_allocation_strategy": 1},
    "IExecutionContext": {
        "set_optimization_profile_async": 2,
        "set_input_shape": 2,
        "set_device_memory": 2,
        "set_tensor_address": 2,
        "execute_async_v3": 1,
    },
}
AHEAD_OF_TIME_PROPERTIES = {
    "IBuilderConfig": ["num_compute_capabilities"],
    "IRuntimeConfig": ["cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"],
}
AHEAD_OF_TIME_MEMBERS = {
    "ComputeCapability": ["CURRENT", "SM75", "SM80", "SM86", "SM89", "SM120"],
    "CudaGraphStrategy": ["DISABLED"],
    "DynamicShapesKernelSpecializationStrategy": ["EAGER"],
    "EngineValidity": ["INVALID"],
    "EngineInvalidityDiagnostics": ["MALFORMED_ENGINE", "UNSUPPORTED_CC"],
}
INSPECT_PROPERTIES = {
    "EngineInspector": ["execution_context"],
    "IExecutionContext": ["profiler", "enqueue_emits_profile"],
}
BUILD_PROPERTIES = {
    "IBuilderConfig": [
        "builder_optimization_level",
        "profiling_verbosity",
        "progress_monitor",
        "hardware_compatibility_level",
    ],
    "OnnxParser": ["num_errors"],
    "INetworkDefinition": ["num_inputs"],
    "ITensor": ["name", "shape"],
}
RUN_PROPERTIES = {
    "Runtime": ["engine_host_code_allowed"],
    "ICudaEngine": ["num_io_tensors", "num_optimization_profiles"],
}
RUN_MEMBERS = {
    "TensorIOMode": ["INPUT", "OUTPUT"],
    "ExecutionContextAllocationStrategy": ["USER_MANAGED", "ON_PROFILE_CHANGE"],
    "LayerInformationFormat": ["JSON"],
}
SEVERITIES = ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"]  # whose numbers trt_library takes for granted
BUILD_MEMBERS = {
    "BuilderFlag": ["TF32", "VERSION_COMPATIBLE"],
    "MemoryPoolType": ["WORKSPACE"],
    "NetworkDefinitionCreationFlag": [],  # STRONGLY_TYPED is asked for and may be gone
    "ProfilingVerbosity": ["DETAILED"],
    "HardwareCompatibilityLevel": ["NONE", "AMPERE_PLUS", "SAME_COMPUTE_CAPABILITY"],
}


TABLES = [table for name, table in dict(globals()).items() if name.isupper() and isinstance(table, dict)]
NOT_TENSORRTS = {"engine": "ours", "infer_shapes": "onnx.shape_inference's", "node": "ONNX's", "dtype": "NumPy's"}


def used_and_unlisted(trt: Any) -> set[str]:
    """Members of the listed classes, and names of the module, that the sources use and no table has."""
    listed = {name for table in TABLES for kind, entries in table.items() for name in (kind, *entries)}
    classes = {kind for table in TABLES for kind in table if hasattr(trt, kind)}
    members = {name for kind in classes for name in dir(getattr(trt, kind)) if not name.startswith("_")}
    found = set()
    for node in _attributes():
        of_module = isinstance(node.value, ast.Name) and node.value.id == "trt"
        if of_module or (node.attr in members and not node.attr.isupper()):
            found.add(node.attr)
    return found - listed - NOT_TENSORRTS.keys() - {"__name__", "__version__"}


def listed_and_unused() -> set[str]:
    """Entries of the tables that the sources do not name in any way."""
    named = {node.attr for node in _attributes()}
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
            if isinstance(node, ast.FunctionDef):
                named.add(node.name)
    configured = {"ComputeCapability"}  # its members come from the configuration
    return {
        name for table in TABLES for kind, names in table.items() if kind not in configured for name in names
    } - named


def _attributes() -> Iterator[ast.Attribute]:
    return (node for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def _trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]


def each(table: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """(class, method, arguments) or (class, name, None) for every entry of a table."""
    return [
        (kind, name, entries[name] if isinstance(entries, dict) else None)
        for kind, entries in table.items()
        for name in entries
    ]


def accepts(method: Any, arguments: int) -> bool:
    """Whether one of the signatures in a pybind11 docstring takes so many arguments beside self."""
    return any(low <= arguments <= high for low, high in _arities(method.__doc__ or "", method.__name__))


def _arities(doc: str, name: str) -> Iterator[tuple[int, int]]:
    for line in doc.splitlines():
        start = line.find(f"{name}(")
        if start >= 0 and "*args" not in line:
            parameters = _split(line[start + len(name) + 1 :])
            given = parameters[1:] if parameters and parameters[0].startswith("self") else parameters
            yield sum("=" not in p for p in given), len(given)


def _split(text: str) -> list[str]:
    """The parameters up to the parenthesis that closes the list."""
    parts, depth = [""], 0
    for character in text:
        if character == ")" and depth == 0:
            break
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
