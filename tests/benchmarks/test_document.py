"""Generated blocks in documents."""

import pytest

from benchmarks.document import replace_block


def test_a_document_without_the_block_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- t -->\nold\n<!-- /t -->\nb\n")
    replace_block(page, "t", "new")
    assert page.read_text() == "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n"
    with pytest.raises(ValueError, match="needs <!-- u --> and <!-- /u -->, once each"):
        replace_block(page, "u", "new")
