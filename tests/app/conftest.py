"""App tests neither use nor fill the cache folder of the person who runs them."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
