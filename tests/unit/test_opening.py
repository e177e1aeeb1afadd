"""What a server imports once: by one thread, told when it fails, waited for by every page."""

import ast
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from headlab.ui.services import opening
from headlab.ui.services.opening import Imports

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "streamlit_app.py", *sorted((ROOT / "pages").glob("*.py"))]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes a package whose one module does something when it is imported."""

    def make(body):
        folder = tmp_path / "a_package_to_import"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "module.py").write_text(body, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return folder.name

    yield make
    for name in [name for name in sys.modules if name.startswith("a_package_to_import")]:
        del sys.modules[name]


def test_many_pages_wait_for_one_thread(package):
    imports = Imports(package("import threading\nBY = threading.current_thread().name"))
    pages = [threading.Thread(target=lambda: (imports.begin(), imports.wait(20))) for _ in range(6)]
    for page in pages:
        page.start()
    for page in pages:
        page.join(20)
    assert imports.wait(0) and imports.error is None
    assert sys.modules["a_package_to_import.module"].BY == "imports"
    assert sum(thread.name == "imports" for thread in threading.enumerate()) <= 1


def page_that_waits():
    import streamlit as st

    from headlab.ui.services.opening import wait_for_imports

    wait_for_imports()
    st.write("opened")


def test_a_page_goes_on_when_all_is_imported(package, monkeypatch):
    monkeypatch.setattr(opening, "IMPORTS", Imports(package("")))
    page = AppTest.from_function(page_that_waits).run(timeout=20)
    assert [text.value for text in page.markdown] == ["opened"] and not page.error


def test_a_page_says_that_importing_failed(package, monkeypatch):
    monkeypatch.setattr(opening, "IMPORTS", Imports(package("raise OSError('no disk')")))
    page = AppTest.from_function(page_that_waits).run(timeout=20)
    assert "could not start here (OSError)" in page.error[0].value and not page.markdown


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_page_waits_before_it_imports(path):
    body = [ast.unparse(each) for each in ast.parse(path.read_text(encoding="utf-8")).body[1:]]
    before = body[: body.index("wait_for_imports()")]
    imported = [line for line in before if "import" in line.split()]
    wait = "from headlab.ui.services.opening import wait_for_imports"
    light = ["import streamlit as st", "from headlab.ui.components.first_look import first_look"]
    assert wait in imported
    assert path.stem == "streamlit_app" or before == [wait]
    assert set(imported) <= {wait, *light}


def test_what_the_entrance_draws_first_needs_no_torch():
    code = "import sys, headlab.ui.components.first_look\nprint(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(found.stdout.splitlines()[-1]))
    assert not loaded & {"torch", "transformers"}
