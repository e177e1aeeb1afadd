"""App tests neither use nor fill the cache folder of the person who runs them."""

import pytest

from headlab.ui.services.opening import IMPORTS


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def imported():
    """What is imported while a test has replaced something keeps the replacement for good."""
    IMPORTS.begin()
    assert IMPORTS.wait(120) and IMPORTS.error is None
