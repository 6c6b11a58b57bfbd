"""The README's results are those of the report that it points to."""

import re

from tests.support.places import ROOT

RUN = "results/cpu-2-cores/cifar10-resnet20"


def test_results_table_is_the_reports():
    readme = (ROOT / "README.md").read_text()
    assert f"{RUN}/report.md" in readme
    rows = re.findall(r"^\| (?:onnxruntime|litert).*$", readme, re.MULTILINE)
    report = (ROOT / RUN / "report.md").read_text()
    assert rows
    assert [row for row in rows if row not in report] == []
