"""What `evaluate` finds of a cell: one frozen dataclass for each level, with units in the names.

The descriptions of the fields are the schema: docs/metrics.md is made of them, and reading a file checks it against
them. Intervals are 95 %. Null (None) means that there is no figure; where it matters, a reason stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from roundoff.results.build import Builds, LayerTypes
from roundoff.results.message import Message
from roundoff.results.values import Count, NotNegative, Positive, Share, SignedShare, Size, Status, StopReason, about


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Top-1 on the test set, and the paired comparison with the reference, null for the reference itself."""

    top1: Annotated[Share, about("share of right answers")]
    top1_low: Annotated[Share, about("Wilson interval of it")]
    top1_high: Annotated[Share, about("Wilson interval of it")]
    samples: Annotated[Size, about("test images that it answered")]
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
    available: Annotated[
        Size | None,
        about("test images there are, where it stopped early: then every interval holds whenever one stops"),
    ] = None

    @property
    def all_images(self) -> int:
        """The test images that there are, answered or not."""
        return self.available or self.samples

    @property
    def stopped_early(self) -> bool:
        """Whether it answered a part of the test set, which decided."""
        return self.available is not None


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
    throughput_per_s: Annotated[Positive | None, about("images per second of wall time in the median load")] = None
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
    measured_s: Annotated[NotNegative | None, about("seconds of the runs that count, all timed modes together")] = None
    stop_reason: Annotated[
        StopReason | None,
        about("target width reached, time budget spent, nothing to compare with, or early: before the minimum"),
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
    def stopped_early(self) -> frozenset[int | str]:
        """What of it stopped early: "answers", on a part of the test set; batch sizes, timed under the minimum."""
        sizes: set[int | str] = {size for size, batch in self.batches.items() if batch.stop_reason == "early"}
        answers = {"answers"} if self.accuracy is not None and self.accuracy.stopped_early else set()
        return frozenset(sizes | answers)

    @property
    def timed_batches(self) -> dict[int, Batch]:
        """The batch sizes that were timed, of a measured cell."""
        return {size: batch for size, batch in self.batches.items() if batch.runs} if self.measured else {}
