"""What the report and the terminal say is to be done next."""

from roundoff.report.words.next_steps import next_steps
from roundoff.results.layers import CellLayers, Profile, write_profile
from roundoff.results.message import Words

ASKS = "`roundoff run profile=on` says why int8/litert is not faster than FP32, layer by layer"


def slower(run):
    """A run whose int8/litert is clearly slower than fp32/litert."""

    def change(content):
        for batch in (content["litert"]["batch_1"], content["litert"]["batch_32"]):
            batch.update(speedup=0.7, speedup_low=0.69, speedup_high=0.71)

    run.rewrite("int8", change)
    return run


def test_8_bits_that_are_slower_are_asked_why(run):
    assert ASKS not in list(next_steps(run.evidence(), Words("en")))
    assert ASKS in list(next_steps(slower(run).evidence(), Words("en")))


def test_what_was_profiled_is_not_asked_again(run):
    profile = Profile(platform="id", batch_size=32, cells={"int8/litert": CellLayers(status="measured")})
    write_profile(profile, run.sources.metrics / "profile.json")
    assert ASKS not in list(next_steps(slower(run).evidence(), Words("en")))
