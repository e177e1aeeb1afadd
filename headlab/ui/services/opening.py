"""What a fresh server imports once, in the background, while its first pages wait with a word.

Every page calls :func:`wait_for_imports` before it imports anything else of headlab. One thread
does the importing for everybody: libraries that import their parts late are not written for many
threads that ask at once, and a page that waits can say so.
"""

import importlib
import pkgutil
import threading

import streamlit as st

from headlab import log

NOTICE_AFTER_S = 0.3  # an import that is nearly over is not worth a word


class Imports:
    """The modules of some packages, imported once by one thread of their own."""

    def __init__(self, *packages: str) -> None:
        self._packages = packages
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None

    def begin(self) -> None:
        """Start the thread unless somebody has."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="imports", daemon=True)
                self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, good or bad, and say whether it has come."""
        return self._done.wait(seconds)

    def _run(self) -> None:
        try:
            for package in self._packages:
                found = importlib.import_module(package)
                for each in pkgutil.walk_packages(found.__path__, f"{package}."):
                    importlib.import_module(each.name)
        except Exception as error:  # told by every page, and by the log once
            log.failed("importing failed")
            self.error = error
        finally:
            self._done.set()


IMPORTS = Imports("headlab.behaviours", "headlab.ui")


def wait_for_imports() -> None:
    """Hold a page, with a word on it, until the server has imported what pages need."""
    IMPORTS.begin()
    if not IMPORTS.wait(NOTICE_AFTER_S):
        with st.spinner("The laboratory is starting: this takes a few seconds, once …"):
            while not IMPORTS.wait(0.2):
                pass
    if IMPORTS.error is not None:
        st.error(
            f"headlab could not start here ({type(IMPORTS.error).__name__}): run "
            "`python -m headlab doctor` on the machine that serves it, then start it again."
        )
        st.stop()
