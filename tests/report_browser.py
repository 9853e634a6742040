"""Headless Chromium over a pipe: what a page logs, asks for and shows. No driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
)


class Browser:
    """One headless browser with one page; ``events`` is all that happened on it."""

    def __init__(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        if CHROMIUM is None:
            raise RuntimeError("chromium is not installed")
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._buffer = b""
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process, self._to, self._from = _start(self._profile.name)
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})

    _session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def open(self, path: Path, *, settle: float = 0.4) -> None:
        """Open a file and wait until it is loaded, and ``settle`` seconds more."""
        self.call("Page.navigate", {"url": path.resolve().as_uri()})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self._pump(0.1)
            if any(event["method"] == "Page.loadEventFired" for event in self.events):
                break
        else:
            raise TimeoutError("the page was not loaded in 60 s")
        self.wait(settle)

    def wait(self, seconds: float) -> None:
        """Gather events for some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._pump(left)

    def js(self, expression: str) -> Any:
        """Return the JSON value of an expression on the page."""
        found = self.call(
            "Runtime.evaluate",
            {"expression": expression, "returnByValue": True, "awaitPromise": True},
        )
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def named(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of all events of this name."""
        return [event["params"] for event in self.events if event["method"] == method]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the page."""
        found = self.call("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(found["data"]))

    def pdf(self, path: Path) -> None:
        """Print to PDF."""
        found = self.call("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
        path.write_bytes(base64.b64decode(found["data"]))

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Call a method of the DevTools protocol on the page."""
        return self._call(method, params or {}, session=self._session)

    def _call(self, method: str, params: dict[str, Any], *, session: str | None = None) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        _write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for reply in self._pump(1.0):
                if reply.get("id") == self._number:
                    if "error" in reply:
                        raise RuntimeError(f"{method}: {reply['error']}")
                    return reply["result"]
        raise TimeoutError(f"no reply to {method} in 60 s")

    def _pump(self, seconds: float) -> list[dict[str, Any]]:
        ready, _, _ = select.select([self._from], [], [], max(0.0, seconds))
        if not ready:
            return []
        chunk = os.read(self._from, 1 << 20)
        if not chunk:
            raise RuntimeError("chromium ended")
        *whole, self._buffer = (self._buffer + chunk).split(b"\0")
        replies = [json.loads(text) for text in whole]
        self.events += [reply for reply in replies if "method" in reply]
        for reply in replies:
            # A dialog holds the page until it is closed; the test sees it in the events.
            if reply.get("method") == "Page.javascriptDialogOpening":
                self._number += 1
                close = {
                    "id": self._number,
                    "method": "Page.handleJavaScriptDialog",
                    "params": {"accept": False},
                    "sessionId": self._session,
                }
                _write(self._to, json.dumps(close).encode() + b"\0")
        return replies


def _start(profile: str) -> tuple[subprocess.Popen[bytes], int, int]:
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()

    def place() -> None:
        # Chromium reads commands from 3 and writes to 4.
        low, high = os.dup(their_in), os.dup(their_out)
        while low in (3, 4):
            low = os.dup(low)
        while high in (3, 4):
            high = os.dup(high)
        os.dup2(low, 3)
        os.dup2(high, 4)

    process = subprocess.Popen(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=place,
        pass_fds=(3, 4),
    )
    os.close(their_in)
    os.close(their_out)
    return process, our_out, our_in


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
