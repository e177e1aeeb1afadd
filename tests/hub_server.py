"""A hub on this machine: it speaks the hub's protocol, serves one small model, and has faults."""

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LFS = ".safetensors", ".bin"


class Hub:
    """What the server serves, which fault it has (None: none), and what it was asked for."""

    def __init__(self, folder, commit, name="gpt2"):
        self.files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        self.files["README.md"] = b"not needed by anybody here"
        self.commit, self.name = commit, name
        self.branches = ["main"]  # names of the one revision that is here
        self.fault = None
        self.speed = None  # bytes a second of weights
        self.asked: list[str] = []
        self.ranges: list[str] = []
        self.tokens: set[str | None] = set()
        self.endpoint = ""

    def listing(self):
        siblings = []
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if name.endswith(LFS):
                sha256 = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
            if self.fault == "no metadata":
                entry = {"rfilename": name}
            siblings.append(entry)
        return {"sha": self.commit, "siblings": siblings, "id": self.name}


def handler_for(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(path)
            hub.tokens.add(self.headers.get("Authorization"))
            if path.startswith("/cdn/"):
                self.send_file(path.rpartition("/")[2])
            elif self.fails():
                return
            elif path == f"/api/models/{hub.name}/refs":
                names = [{"name": name, "ref": f"refs/heads/{name}"} for name in hub.branches]
                body = json.dumps({"branches": names, "tags": [], "converts": []})
                self.send_whole(200, body.encode())
            elif path in [
                f"/api/models/{hub.name}/revision/{name}" for name in (hub.commit, *hub.branches)
            ]:
                body = b"<html>log in</html>" if hub.fault == "portal" else None
                self.send_whole(200, body or json.dumps(hub.listing()).encode())
            elif path.startswith(f"/{hub.name}/resolve/{hub.commit}/"):
                name = path.rpartition("/")[2]
                if name.endswith(LFS):  # the hub sends large files from elsewhere
                    self.send_whole(302, b"", Location=f"/cdn/{name}")
                else:
                    self.send_file(name)
            else:
                self.send_whole(404, b'{"error": "not found"}', **{"X-Error-Code": "RepoNotFound"})

        def fails(self):
            codes = {
                "404": (404, {"X-Error-Code": "RepoNotFound"}),
                "revision": (404, {"X-Error-Code": "RevisionNotFound"}),
                "401": (401, {"X-Error-Code": "GatedRepo"}),
                "429": (429, {"Retry-After": "7"}),
                "500": (500, {}),
                "418": (418, {}),
            }
            if hub.fault in codes:
                status, headers = codes[hub.fault]
                self.send_whole(status, b"{}", **headers)
                return True
            if hub.fault == "hang":
                time.sleep(3)  # the fault itself: an answer that does not come
                self.close_connection = True
                return True
            return False

        def send_whole(self, status, body, **headers):
            self.send_response(status)
            for name, value in ({"Content-Length": len(body)} | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def send_file(self, name):
            data, weights = hub.files[name], name.endswith(LFS)
            first = 0
            asked = self.headers.get("Range")
            if asked:
                hub.ranges.append(asked)
                if hub.fault != "no ranges":
                    first = int(asked.removeprefix("bytes=").removesuffix("-"))
            sent = data[first:]
            if weights and hub.fault == "wrong hash":
                sent = sent[:-1] + bytes([sent[-1] ^ 1])
            if weights and hub.fault == "too short":
                sent = sent[:-7]
            if weights and hub.fault == "too long":
                sent += b"extra"
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if weights and hub.fault in ("cut", "cut once", "no ranges"):
                self.wfile.write(sent[: len(sent) // 2])
                self.wfile.flush()
                self.close_connection = True
                if hub.fault == "cut once":
                    hub.fault = None
                if hub.fault == "no ranges" and asked:
                    self.wfile.write(sent[len(sent) // 2 :])
                return
            if weights and hub.fault == "hang mid-file":
                self.wfile.write(b"" if asked else sent[: len(sent) // 2])
                self.wfile.flush()
                time.sleep(3)  # the fault itself: an answer that does not come
                self.close_connection = True
                return
            step = 4096 if weights and hub.speed else max(len(sent), 1)
            for begin in range(0, len(sent), step):
                try:
                    self.wfile.write(sent[begin : begin + step])
                except OSError:  # whoever asked has gone
                    self.close_connection = True
                    return
                if weights and hub.speed:
                    time.sleep(step / hub.speed)  # the slow line itself

    return Handler


@contextmanager
def running(hub):
    """The hub answering on a port of this machine for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(hub))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
