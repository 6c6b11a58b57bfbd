"""models/mixed/NAME.json: which nodes a quantized precision leaves wide, why, and what else could be chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from roundoff.results.checked import as_json, checked
from roundoff.results.values import Count, NotNegative, Share, about
from roundoff.results.versions import read_of_format
from roundoff.system.files import write_json

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a mixed graph gave when it was run, on images that had no part in the choice."""

    error: Annotated[NotNegative, about("relative error of the logits")]
    error_low: Annotated[NotNegative, about("its interval's lower end")]
    error_high: Annotated[NotNegative, about("and its upper end")]
    agreement: Annotated[Share, about("share of FP32's answers")]
    agreement_low: Annotated[Share, about("its interval's lower end")]
    agreement_high: Annotated[Share, about("and its upper end")]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One more name that is left wide, all earlier steps' names with it; the first step adds none."""

    added: Annotated[
        str | None,
        about("node or tensor that this step leaves wide; in `nodes` with those that hold its values; null: nothing"),
    ] = None
    cost: Annotated[NotNegative, about("of what is left wide, all steps up to this, in `cost_unit`")]
    cost_share: Annotated[Share, about("of what could be")]
    expected_error: Annotated[NotNegative, about("√ of the sum of the squared effects that are left")]
    verified: Annotated[Verified | None, about("null: was not run")] = None
    beyond_noise: Annotated[bool | None, about("clearly nearer to FP32 than the last step that was; null: not run")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """The choice: `nodes` are the names of the steps up to `chosen`."""

    precision: Annotated[str, about("its name")]
    graph_sha256: Annotated[str, about("SHA-256 of the FP32 graph that the names are of")]
    grid: Annotated[str, about("of the activations")]
    least_agreement: Annotated[Share, about("what the interval's lower end had to reach")]
    passes: Annotated[bool, about("whether it did; where nothing did, the best was chosen")]
    chosen: Annotated[Count, about("place in `steps`")]
    nodes: Annotated[list[str], about("nodes and tensors that are left wide")]
    cost_unit: Annotated[str, about("of the steps' costs")]
    steps: Annotated[list[Step], about("from nothing left wide to all that could be")] = field(default_factory=list)
    images: Annotated[Count, about("training images that effects were measured on")]
    images_sha256: Annotated[str, about("SHA-256 of their pixels")]
    verified_images: Annotated[Count, about("further training images that mixed graphs were run on")]
    verified_images_sha256: Annotated[str, about("SHA-256 of their pixels")]

    @property
    def step(self) -> Step:
        """The chosen one."""
        return self.steps[self.chosen]


def write_mixed(mixed: Mixed, path: Path) -> None:
    """Write the choice."""
    write_json(path, {"format": FORMAT, **as_json(mixed)})


def read_mixed(path: Path) -> Mixed:
    """What `write_mixed` wrote; raises DataError."""
    return checked(Mixed, read_of_format(path, FORMAT), str(path))
