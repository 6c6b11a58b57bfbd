"""Whether an engine fits the library and the GPU that are to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roundoff.backend import cuda
from roundoff.backend.trt.build import builds_ahead_of_time
from roundoff.errors import BuildError, Unavailable
from roundoff.results.message import message


def made_for(trt: Any, hardware_compatibility: str = "NONE", version_compatible: bool = False) -> dict[str, str]:
    """What an engine built now is bound to: the library's version and, if it was built for one, the GPU."""
    bound = {"library": f"{trt.__name__} {trt.__version__}"}
    if not builds_ahead_of_time(trt):
        bound |= cuda.device_identity()
    free = {"library"} if version_compatible else set()
    free |= {"NONE": set(), "SAME_COMPUTE_CAPABILITY": {"gpu"}}.get(hardware_compatibility, {"gpu", "sm"})
    return {key: value for key, value in bound.items() if key not in free}


def refuse_foreign(trt: Any, built_for: Mapping[str, str], plan: bytes, log: Any) -> None:
    """Unavailable, with both sides named, where the engine was made for another library or GPU than is here.

    TensorRT-RTX judges for itself (getEngineValidity); raises BuildError for bytes that are no engine at all.
    """
    all_here = made_for(trt)
    here = {key: all_here.get(key) for key in built_for}
    if dict(built_for) != here:
        raise Unavailable(message("built_for_another", built_for=_words(built_for), here=_words(here)))
    runtime = trt.Runtime(log)
    if not hasattr(runtime, "get_engine_validity"):
        return
    validity, bits = runtime.get_engine_validity(plan)
    log.raise_again()
    if validity != trt.EngineValidity.INVALID:
        return
    reasons = [name for name, bit in trt.EngineInvalidityDiagnostics.__members__.items() if int(bits) & int(bit)]
    if "MALFORMED_ENGINE" in reasons:
        raise BuildError(
            "this is no TensorRT-RTX engine",
            received=log.reason(),
            expected="what the build stage wrote",
            fix="build it again",
        )
    # 1.4 to 1.6.1 say this of SM 9.0 and then load and run: let loading decide, which names the GPUs that it takes
    if reasons == ["UNSUPPORTED_CC"]:
        log.dismiss()
        return
    machine = {"library": all_here["library"], **cuda.device_identity()}
    words = ", ".join(reasons) or "no diagnosis"
    values = {"built_for": _words(built_for), "here": _words(machine), "diagnosis": words, "words": log.reason()}
    raise Unavailable(message("refused_engine", **values))


def _words(parts: Mapping[str, str | None]) -> str:
    return ", ".join(f"{key} {value}" for key, value in parts.items())
