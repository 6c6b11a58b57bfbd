"""Exceptions of libraries are told by the line that tells."""

import pytest

from roundoff.system.said import said

WRAPPED = "Exception encountered when calling {}.call().\n\n\x1b[1m{}\x1b[0m\n\nArguments received by it:\n  • x=1"
NESTED = "<class 'F'> could not be deserialized.\n\nconfig={}.\n\nException encountered: <class 'G'>.\n\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("one\ntwo", "one"),
        ("  \n", "no message"),
        (WRAPPED.format("Dense", "{{node a/b}} Shapes differ"), "Dense: Shapes differ"),
        (WRAPPED.format("Functional", "Input 0 of layer 'conv' is wrong"), "Input 0 of layer 'conv' is wrong"),
        ("Exception encountered when calling Dense.call().", "Exception encountered when calling Dense.call()."),
        (f"{NESTED}Exception encountered: `factor` is below 0\nby much", "`factor` is below 0"),
    ],
)
def test_the_line_that_tells_is_said(text, words):
    assert said(ValueError(text)) == f"ValueError: {words}"
