"""What a sentence calls the settings of a model that is taken."""

import pytest

from roundoff.errors import ConfigError
from roundoff.model.taking.classes import columns
from roundoff.model.taking.preprocessing import preprocessing_of
from roundoff.model.taking.settings import described_at, setting


def test_settings_are_the_models_unless_something_else_is_described():
    with pytest.raises(KeyError), described_at("given.mine"):
        assert setting("scale") == "given.mine.scale"
        raise KeyError
    assert setting("scale") == "model.scale"


@pytest.mark.parametrize("key", ["model", "given.mine"])
def test_what_is_wrong_is_named_where_it_was_written(key):
    with described_at(key):
        with pytest.raises(ConfigError, match=rf"^{key}\.scale cannot be used(.|\n)*set {key}\.scale"):
            preprocessing_of("x", 0, None, None, "rgb")
        with pytest.raises(ConfigError, match=rf"^{key}\.classes does not name each(.|\n)*complete {key}\.classes"):
            columns(5, "abcde", "ab")
