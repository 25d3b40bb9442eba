"""What the tests of settings share: files to write, and the words of a refusal."""

import pytest

from pcrnet.config.layers import load_experiment
from pcrnet.errors import ConfigError


@pytest.fixture
def write():
    def write(path, text):
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def refusal():
    """What is said of arguments that make no experiment."""

    def refusal(*arguments):
        with pytest.raises(ConfigError) as caught:
            load_experiment(arguments)
        return str(caught.value)

    return refusal
