"""What metrics files hold: one frozen dataclass for each level, with units in the names and the meaning of each field.

The field descriptions are the schema: docs/metrics.md is made of them, and reading a file checks it against them.
Intervals are 95 %. Null (None) means that there is no figure; where it matters, a reason stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from roundoff.results.message import Message

FORMAT = 3  # of the metrics files; those of before had no number

Status = Literal["measured", "unavailable", "failed"]
Outcome = Literal["pass", "fail", "undecided"]
Bounds = Literal["interval", "margin", "exact"]
SpeedDifference = Literal["faster", "slower", "not told apart"]
Use = Literal["fastest", "balanced", "reference"]
StopReason = Literal["target", "budget", "minimum"]


def about(text: str) -> Meta:
    """The meaning of a field."""
    return Meta(description=text)


Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
SignedShare = Annotated[float, Meta(ge=-1, le=1)]
Size = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 on the test set, and the paired comparison with the reference, null for the reference itself."""

    top1: Annotated[Share, about("share of right answers")]
    top1_low: Annotated[Share, about("Wilson interval of it")]
    top1_high: Annotated[Share, about("Wilson interval of it")]
    samples: Annotated[Size, about("test images")]
    correct: Annotated[Count, about("right answers")]
    nonfinite: Annotated[Count, about("answers that are not finite numbers; they count as wrong")]
    agreement: Annotated[Share | None, about("share of answers that are the reference's")] = None
    agreement_low: Annotated[Share | None, about("Wilson interval of it")] = None
    agreement_high: Annotated[Share | None, about("Wilson interval of it")] = None
    drop: Annotated[SignedShare | None, about("accuracy lost to the reference, as a share")] = None
    drop_low: Annotated[SignedShare | None, about("its paired interval")] = None
    drop_high: Annotated[SignedShare | None, about("its paired interval")] = None
    relative_accuracy: Annotated[NotNegative | None, about("accuracy over the reference's")] = None
    relative_accuracy_low: Annotated[NotNegative | None, about("its paired interval")] = None
    relative_accuracy_high: Annotated[NotNegative | None, about("its paired interval")] = None
    mcnemar_p: Annotated[Share | None, about("p-value of McNemar's exact test")] = None
    regressed: Annotated[Count | None, about("images that the reference has right and the cell wrong")] = None
    corrected: Annotated[Count | None, about("images that the reference has wrong and the cell right")] = None


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


@dataclass(frozen=True, kw_only=True)
class Numerics(LayerTypes):
    """What the cell computes in, by its own account and by its error."""

    relative_error: Annotated[NotNegative | None, about("of the logits against strict FP32's, root mean square")] = None


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy at the largest batch size, idle power included."""

    mj_per_image: Annotated[NotNegative | None, about("millijoules per image")] = None
    batch_size: Annotated[Size | None, about("images per run")] = None
    power_w: Annotated[NotNegative | None, about("mean power, watts")] = None
    measured_s: Annotated[NotNegative | None, about("seconds that were measured")] = None
    source: Annotated[Message | None, about("the counter, and what it counts")] = None
    reason: Annotated[Message | None, about("why there is no figure")] = None


@dataclass(frozen=True, kw_only=True)
class BindingInfo:
    """How an engine runs at one batch size; what a backend does not know is null."""

    threads: Annotated[int | None, about("threads of the CPU that it may use")] = None
    cuda_graph: Annotated[bool | None, about("whether it is replayed from a CUDA graph")] = None
    no_cuda_graph_reason: Annotated[Message | None, about("why it is not")] = None
    streams: Annotated[int | None, about("CUDA streams that transfers and compute overlap on")] = None
    profile: Annotated[list[int] | None, about("optimization profile: least, best and largest batch size")] = None
    host_memory: Annotated[str | None, about("kind of the host's buffers")] = None
    runtime_cache_warm: Annotated[bool | None, about("whether kernels compiled at load were in the cache")] = None
    runtime_cache_problem: Annotated[str | None, about("why the cache could not be used")] = None
    memory_mb: Annotated[NotNegative | None, about("device memory of its buffers, MB (10⁶ bytes)")] = None
    enqueue_ms: Annotated[NotNegative | None, about("the host's time for one launch")] = None
    copy_ms: Annotated[NotNegative | None, about("the longer of the two transfers")] = None
    enqueued_device_ms: Annotated[NotNegative | None, about("device time without the CUDA graph")] = None


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
class Speedup:
    """A ratio of times: the same backend's FP32 over the cell, from the rounds that both were timed in."""

    speedup: Annotated[Positive | None, about("device-only, times FP32's speed")] = None
    speedup_low: Annotated[Positive | None, about("its interval over loads")] = None
    speedup_high: Annotated[Positive | None, about("its interval over loads")] = None
    end_to_end_speedup: Annotated[Positive | None, about("end to end, times FP32's speed")] = None
    end_to_end_speedup_low: Annotated[Positive | None, about("its interval over loads")] = None
    end_to_end_speedup_high: Annotated[Positive | None, about("its interval over loads")] = None
    speedup_reason: Annotated[Message | None, about("why there is none")] = None


@dataclass(frozen=True, kw_only=True)
class Batch(Speedup):
    """One cell at one batch size. Times are milliseconds per batch; device-only leaves transfers out."""

    status: Annotated[Status, about("measured, unavailable (cannot run here) or failed (should work and does not)")]
    reason: Annotated[Message | None, about("why it was not measured")] = None
    detail: Annotated[str | None, about("the runtime's own words")] = None
    rerun: Annotated[str | None, about("the command that tries it again")] = None
    device_p50_ms: Annotated[Positive | None, about("median, device-only")] = None
    device_p50_low_ms: Annotated[Positive | None, about("its interval")] = None
    device_p50_high_ms: Annotated[Positive | None, about("its interval")] = None
    device_p90_ms: Annotated[Positive | None, about("90th percentile, device-only")] = None
    device_p90_low_ms: Annotated[Positive | None, about("its interval")] = None
    device_p90_high_ms: Annotated[Positive | None, about("its interval")] = None
    device_p95_ms: Annotated[Positive | None, about("95th percentile, device-only")] = None
    device_p95_low_ms: Annotated[Positive | None, about("its interval")] = None
    device_p95_high_ms: Annotated[Positive | None, about("its interval")] = None
    device_p99_ms: Annotated[Positive | None, about("99th percentile, device-only")] = None
    device_p99_low_ms: Annotated[Positive | None, about("its interval")] = None
    device_p99_high_ms: Annotated[Positive | None, about("its interval")] = None
    device_p999_ms: Annotated[Positive | None, about("99.9th percentile, device-only")] = None
    device_p999_low_ms: Annotated[Positive | None, about("its interval")] = None
    device_p999_high_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p50_ms: Annotated[Positive | None, about("median, end to end")] = None
    end_to_end_p50_low_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p50_high_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p90_ms: Annotated[Positive | None, about("90th percentile, end to end")] = None
    end_to_end_p90_low_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p90_high_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p95_ms: Annotated[Positive | None, about("95th percentile, end to end")] = None
    end_to_end_p95_low_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p95_high_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p99_ms: Annotated[Positive | None, about("99th percentile, end to end")] = None
    end_to_end_p99_low_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p99_high_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p999_ms: Annotated[Positive | None, about("99.9th percentile, end to end")] = None
    end_to_end_p999_low_ms: Annotated[Positive | None, about("its interval")] = None
    end_to_end_p999_high_ms: Annotated[Positive | None, about("its interval")] = None
    throughput_per_s: Annotated[Positive | None, about("images per second of wall time, transfers overlapped")] = None
    throughput_low_per_s: Annotated[Positive | None, about("its interval over loads")] = None
    throughput_high_per_s: Annotated[Positive | None, about("its interval over loads")] = None
    output_error: Annotated[NotNegative | None, about("of the timed outputs against the accuracy run's")] = None
    output_tolerance: Annotated[NotNegative | None, about("what it may be")] = None
    repeat_spread: Annotated[NotNegative | None, about("relative difference of ten runs of one input")] = None
    repeat_tolerance: Annotated[NotNegative | None, about("what it may be")] = None
    round_spread: Annotated[
        NotNegative | None, about("half the width of the middle 95 % of the rounds' medians, over their median")
    ] = None
    build_p50_ms: Annotated[list[Positive] | None, about("device-only median of each of several builds")] = None
    cv: Annotated[NotNegative | None, about("coefficient of variation of single device-only runs")] = None
    runs: Annotated[Count, about("device-only runs that were timed")] = 0
    rounds: Annotated[Count, about("interleaved rounds")] = 0
    loads: Annotated[Count, about("times that the engine was loaded anew")] = 0
    measured_s: Annotated[NotNegative | None, about("seconds that were timed")] = None
    stop_reason: Annotated[
        StopReason | None, about("target width reached, time budget spent, or nothing to compare with")
    ] = None
    warnings: Annotated[list[Message], about("what a reader must know before believing the figures")] = field(
        default_factory=list
    )
    binding_info: Annotated[BindingInfo, about("how the engine ran")] = field(default_factory=BindingInfo)


@dataclass(frozen=True, kw_only=True)
class CellMetrics:
    """One precision on one backend, as `evaluate` found it; its batch sizes are the keys `batch_N`."""

    status: Annotated[Status, about("measured, unavailable (cannot run here) or failed (should work and does not)")]
    reason: Annotated[Message | None, about("why it was not measured")] = None
    detail: Annotated[str | None, about("the runtime's own words")] = None
    rerun: Annotated[str | None, about("the command that tries it again")] = None
    effective_precision: Annotated[str | None, about("the type that it computes in, by its measured error")] = None
    notes: Annotated[list[Message], about("what its build says")] = field(default_factory=list)
    weights: Annotated[str | None, about("type of the weights, by NumPy's name")] = None
    ranges: Annotated[
        Literal["symmetric", "asymmetric"] | None, about("which ranges of the calibration table it is built from")
    ] = None
    size_mb: Annotated[NotNegative | None, about("the artifact on disk, MB (10⁶ bytes)")] = None
    builds: Annotated[Builds | None, about("how often it was built")] = None
    numerics: Annotated[Numerics | None, about("what it computes in")] = None
    accuracy: Annotated[Accuracy | None, about("on the test set")] = None
    load_ms: Annotated[Positive | None, about("median time of loading the engine")] = None
    memory_mb: Annotated[NotNegative | None, about("device memory, MB (10⁶ bytes)")] = None
    energy: Annotated[Energy | None, about("per image")] = None
    batches: Annotated[dict[int, Batch], about("by batch size")] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether there are figures of it."""
        return self.status == "measured"

    @property
    def failed_batches(self) -> dict[int, Batch]:
        """The batch sizes that failed, of a cell that did not fail as a whole."""
        if self.status == "failed":
            return {}
        return {size: batch for size, batch in self.batches.items() if batch.status == "failed"}

    @property
    def timed_batches(self) -> dict[int, Batch]:
        """The batch sizes that were timed, of a measured cell."""
        return {size: batch for size, batch in self.batches.items() if batch.runs} if self.measured else {}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What was read of a GPU while it was timed: the least and the largest reading of each sensor."""

    sm_clock_mhz: Annotated[tuple[float, float] | None, about("clock of the multiprocessors")] = None
    memory_clock_mhz: Annotated[tuple[float, float] | None, about("clock of the memory")] = None
    power_w: Annotated[tuple[float, float] | None, about("power, watts")] = None
    temperature_c: Annotated[tuple[float, float] | None, about("temperature, degrees Celsius")] = None
    throttle_reasons: Annotated[list[str] | None, about("names of NVML's reasons for lower clocks; null: unread")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class AaControl:
    """The FP32 engine timed against itself: what this machine's noise is. Batch sizes are the keys `batch_N`."""

    cell: Annotated[str, about("the cell that was loaded twice")]
    batches: Annotated[dict[int, Speedup], about("by batch size")] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Device:
    """How one device was timed."""

    cells: Annotated[list[str], about("the cells that were timed on it")]
    loads: Annotated[Count, about("times that the engines were loaded anew")] = 0
    rounds: Annotated[Count, about("interleaved rounds")] = 0
    repeated_rounds: Annotated[Count | None, about("rounds repeated since the reasons for throttling changed")] = None
    waited_s: Annotated[NotNegative | None, about("seconds spent waiting for other jobs")] = None
    conditions: Annotated[Conditions | None, about("clocks, power, temperature, throttling")] = None
    conditions_reason: Annotated[Message | None, about("why they were not read")] = None
    aa_control: Annotated[AaControl | None, about("the same engine against itself")] = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """How the cells of a run were measured."""

    evaluate: Annotated[dict[str, Any], about("the settings of the stage, as they were")] = field(default_factory=dict)
    test_set: Annotated[str | None, about("SHA-256 of the test split")] = None
    chance: Annotated[Share | None, about("accuracy of the best constant answer")] = None
    devices: Annotated[dict[str, Device], about("by name or UUID")] = field(default_factory=dict)

    @property
    def chance_margin(self) -> float | None:
        """How far above chance an accuracy must be, as a share of the way to 1; None where it was not recorded."""
        margin = self.evaluate.get("chance_margin")
        return None if margin is None else float(margin)


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The metrics of one run: its cells by name (PRECISION/BACKEND), and what all of them share."""

    platform: Annotated[dict[str, Any], about("fingerprint of the machine")]
    reference: Annotated[str | None, about("the cell that the others are compared with")]
    method: Annotated[Method, about("how it was measured")]
    cells: Annotated[dict[str, CellMetrics], about("by name")]


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


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One question on a cell, what was found, and the answer."""

    name: Annotated[str, about("what was asked: min_relative_accuracy, max_drop_points, chance, latency, …")]
    verdict: Annotated[Outcome, about("the answer")]
    limit: Annotated[float | None, about("what was asked for")]
    value: Annotated[float | None, about("the figure")] = None
    low: Annotated[float | None, about("what it lies between")] = None
    high: Annotated[float | None, about("what it lies between")] = None
    bounds: Annotated[
        Bounds | None, about("what these ends are: a 95 % interval, the meter's margin, the figure itself")
    ] = None
    samples_needed: Annotated[Count | None, about("test images that would probably decide")] = None
    reason: Annotated[Message | None, about("why there is no figure, or what no figure says")] = None


@dataclass(frozen=True, kw_only=True)
class SpeedVerdict:
    """What one batch size's speed-up over FP32 allows one to say."""

    speed: Annotated[SpeedDifference | None, about("against the same backend's FP32; null: no speed-up")]
    noise_floor: Annotated[NotNegative, about("share below which the device tells no speeds apart")]


@dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """The verdict on one cell; its batch sizes are the keys `batch_N`."""

    verdict: Annotated[Outcome | None, about("null where the cell was not measured")]
    criteria: Annotated[list[Criterion], about("what was asked of it")] = field(default_factory=list)
    batches: Annotated[dict[int, SpeedVerdict], about("by batch size")] = field(default_factory=dict)

    @property
    def samples_needed(self) -> int | None:
        """How many test images would probably decide an undecided cell; None where images alone do not."""
        needed = [one.samples_needed for one in self.criteria if one.verdict == "undecided"]
        known = [count for count in needed if count is not None]
        return max(known) if known and len(known) == len(needed) else None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The cell to take for one use, and what else a reader must know of. All are cells by name."""

    cell: Annotated[str | None, about("null: the data allow none")]
    tied: Annotated[list[str], about("as fast as it")] = field(default_factory=list)
    undecided: Annotated[
        dict[str, Count | None],
        about("would be faster (without a cell: could pass), with the images that would decide"),
    ] = field(default_factory=dict)
    not_timed: Annotated[list[str], about("pass, but were not timed at the ranked batch size")] = field(
        default_factory=list
    )
    failed: Annotated[list[str], about("pass, but failed at the ranked batch size")] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What a cell must hold to be shipped, as it was set (the configuration's `verdict`)."""

    min_relative_accuracy: Annotated[Share | None, about("share of the reference's accuracy to keep")] = None
    max_drop_points: Annotated[NotNegative | None, about("most percentage points of accuracy to lose")] = None
    batch_size: Annotated[Size, about("that latency and throughput hold for, and cells are ranked at")] = 1
    latency_ms: Annotated[Positive | None, about("most, end to end")] = None
    latency_percentile: Annotated[str, about("the percentile that it holds for")] = "p50"
    throughput_per_s: Annotated[Positive | None, about("least, images per second")] = None
    size_mb: Annotated[Positive | None, about("most, MB")] = None
    memory_mb: Annotated[Positive | None, about("most, MB of device memory")] = None
    mj_per_image: Annotated[Positive | None, about("most, millijoules")] = None
    speed_margin: Annotated[Share, about("differences of speed below this share are not called differences")] = 0.01


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """verdict.json: what was asked, the answer for each cell, the front, and a cell for each use."""

    platform: Annotated[str | None, about("id of the machine's fingerprint")] = None
    reference: Annotated[str | None, about("the cell that the others are compared with")] = None
    target: Annotated[Requirements | None, about("what was asked for")] = None
    cells: Annotated[dict[str, CellVerdict], about("by name (PRECISION/BACKEND)")] = field(default_factory=dict)
    front: Annotated[list[str], about("cells that no other beats in accuracy, latency and size")] = field(
        default_factory=list
    )
    recommendations: Annotated[dict[Use, Recommendation], about("by use")] = field(default_factory=dict)


def bounds_of(owner: object, name: str, unit: str = "") -> tuple[float, float] | None:
    """The interval of the figure `name` of one of these; `unit` is the end of its name ("ms" of device_p50_ms)."""
    end = f"_{unit}" if unit else ""
    low, high = getattr(owner, f"{name}_low{end}", None), getattr(owner, f"{name}_high{end}", None)
    return None if low is None or high is None else (float(low), float(high))
