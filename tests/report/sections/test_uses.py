"""What the report says of each use."""

import pytest

from roundoff.report.sections.uses import uses_table
from roundoff.results.message import Words


def of_the_reference(run, error, effective, language):
    def told(content):
        for cell in content.values():
            if isinstance(cell, dict) and cell.get("numerics"):
                cell["numerics"]["relative_error"] = error
                cell["effective_precision"] = effective

    run.rewrite("fp32", told)
    return str(uses_table(run.evidence(), Words(language)).rows)


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize(
    ("error", "effective", "rule"),
    [
        (0.0, "fp32", "rule_reference"),
        (1e-3, "tf32", "rule_reference_as"),
        (None, "fp32", "rule_reference_untold"),
    ],
)
def test_what_the_reference_computes_in_is_told_as_far_as_it_was_measured(run, error, effective, rule, language):
    text, words = of_the_reference(run, error, effective, language), Words(language)
    rules = {name: words(name, effective=effective) for name in ("rule_reference", "rule_reference_as")}
    rules["rule_reference_untold"] = words("rule_reference_untold")
    assert [name for name, said in rules.items() if said in text] == [rule]
