"""The wheel, made once for the tests of a worker."""

from pathlib import Path

import pytest

from tests.deploy.wheel import make_wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, in a folder `dist` of a checkout."""
    return make_wheel(tmp_path_factory.mktemp("wheel"))
