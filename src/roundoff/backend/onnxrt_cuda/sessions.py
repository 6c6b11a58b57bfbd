"""Sessions of ONNX Runtime's CUDA provider, one for each stream that they compute on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roundoff.errors import Unavailable
from roundoff.results.message import message

PROVIDER, ON_CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SEARCHES = ("EXHAUSTIVE", "HEURISTIC", "DEFAULT")
ASSIGNMENT = "session.record_ep_graph_assignment_info"
UNSYNCHRONIZED = "disable_synchronize_execution_providers"


@dataclass(frozen=True)
class Sessions:
    """What makes a session of the graph in `path`; `conv_search` says how cuDNN's algorithms are chosen."""

    path: Path
    tf32: bool
    conv_search: str

    def provider_options(self, stream: int | None) -> dict[str, str]:
        """For the first visible GPU, computing on `stream` (its address), or on one of its own."""
        options = {
            "device_id": "0",
            "use_tf32": str(int(self.tf32)),
            "cudnn_conv_algo_search": self.conv_search,
        }
        if stream is not None:
            options |= {"user_compute_stream": str(stream), "has_user_compute_stream": "1"}
        return options

    def made(self, stream: int | None, optimized: Path | None = None) -> Any:
        """A session; with `optimized` the graph as it was optimized is written there, and tells who computes what.

        Raises Unavailable where the provider does not load, which ONNX Runtime itself passes over.
        """
        import onnxruntime as ort

        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()  # of CUDA and cuDNN, where pip has installed them
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if optimized is not None:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
            options.optimized_model_filepath = str(optimized)
            options.add_session_config_entry(ASSIGNMENT, "1")
        providers = [(PROVIDER, self.provider_options(stream)), ON_CPU]
        session = ort.InferenceSession(str(self.path), options, providers=providers)
        if PROVIDER not in session.get_providers():
            raise Unavailable(message("cuda_provider_not_loaded", version=ort.__version__))
        return session


def on_the_cpu(session: Any) -> list[str]:
    """The operators that the CUDA provider left to the CPU, each once; their data cross over in every run."""
    parts = session.get_provider_graph_assignment_info()
    return sorted({node.op_type for part in parts if part.ep_name == ON_CPU for node in part.get_nodes()})
