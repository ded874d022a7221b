"""A real web hook receiver in a process of its own: does actions, remembers keys, misbehaves as told.

``python -m tests.healing.receiver FOLDER SECRET``: writes its port to FOLDER/port and each call to FOLDER/calls, and
each action really done to FOLDER/done. What it does is read from FOLDER/mode at each call:

ok · accepted · 500 · 401 · redirect · garbage · huge · slow and dark_after (act, and answer only after the caller has
gone) · dark_before (does nothing and never answers) · forgetful (cannot say whether it knows a key)
"""

import hmac
import json
import os
import sys
import threading
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_gone = threading.Event()


def _note(path: Path, row: dict) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, json.dumps(row).encode() + b"\n")
    os.close(descriptor)


class Receiver(BaseHTTPRequestHandler):
    folder: Path
    secret: str
    done: dict[str, str] = {}
    lock = threading.Lock()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _mode(self) -> str:
        return (self.folder / "mode").read_text().strip()

    def _signed(self, body: bytes) -> bool:
        key, at = self.headers["X-PodHealth-Id"], self.headers["X-PodHealth-Timestamp"]
        wanted = hmac.new(self.secret.encode(), f"{key}.{at}.".encode() + body, sha256).hexdigest()
        return hmac.compare_digest(self.headers["X-PodHealth-Signature"], f"sha256={wanted}")

    def _say(self, code: int, answer: object = None, raw: bytes | None = None, **headers: str) -> None:
        content = raw if raw is not None else json.dumps(answer).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mode, question = self._mode(), json.loads(body)
        key = self.headers["Idempotency-Key"]
        _note(self.folder / "calls", {"key": key, "signed": self._signed(body), "question": question})
        refusals = {"500": (500, {}), "401": (401, {}), "redirect": (307, {"Location": "/elsewhere"})}
        if mode in refusals:
            code, headers = refusals[mode]
            return self._say(code, {"error": "no"}, **headers)
        if mode == "dark_before":
            _gone.wait(10)
            return None
        self._act(key, mode, question["action"])
        return self._tell(key, mode)

    def _act(self, key: str, mode: str, action: str) -> None:
        with self.lock:
            if key not in self.done:
                self.done[key] = "running" if mode == "accepted" else "succeeded"
                _note(self.folder / "done", {"key": key, "action": action})

    def _tell(self, key: str, mode: str) -> None:
        if mode in ("dark_after", "slow"):
            _gone.wait(10)
        elif mode == "garbage":
            self._say(200, raw=b"<html>welcome</html>")
        elif mode == "huge":
            self._say(200, raw=b"x" * 300_000)
        elif mode == "accepted":
            self._say(202, {"status": f"/status/{key}"})
        else:
            self._say(200, {"ok": True})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        mode = self._mode()
        _note(self.folder / "asked", {"path": self.path, "signed": self._signed(b"")})
        if mode == "forgetful":
            return self._say(200, {})
        if url.path == "/state":
            return self._say(200, {"running": mode != "stopped", "lock": "backup" if mode == "locked" else None})
        if url.path.startswith("/status/"):
            key = url.path.removeprefix("/status/")
            state = "failed" if mode == "fails" else self.done.get(key, "running")
            return self._say(200, {"state": state, "message": "quota" if mode == "fails" else ""})
        key = parse_qs(url.query)["id"][0]
        if key not in self.done:
            return self._say(404, {"known": False})
        return self._say(200, {"known": True, "status": f"/status/{key}"})


def main(folder: Path, secret: str) -> None:
    Receiver.folder, Receiver.secret = folder, secret
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        (folder / "port.new").write_text(str(server.server_port))
        (folder / "port.new").rename(folder / "port")
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
