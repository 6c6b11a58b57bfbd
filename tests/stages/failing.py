"""A backend that builds nothing."""

from dataclasses import dataclass
from typing import ClassVar

from roundoff.backend.base import Backend


@dataclass(frozen=True)
class Failing(Backend):
    artifact: ClassVar[str] = "model.bin"

    def refusal(self, precision):
        return None

    def build(self, source, directory):
        raise RuntimeError("no kernel for node 7")

    def load(self, directory):
        raise AssertionError("it was never built")
