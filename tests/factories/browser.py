"""A real browser, and servers for it."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Page, sync_playwright

from factories.project import environment

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class OpenPage:
    """A page with its errors and the addresses that it requested."""

    def __init__(self, page: Page) -> None:
        self.page, self.errors, self.asked = page, [], []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def is_wider_than_its_window(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


@contextmanager
def open_page(url: str, width: int = 1280) -> Iterator[OpenPage]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium or Chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        opened = OpenPage(browser.new_page(viewport={"width": width, "height": 900}))
        opened.page.goto(url)
        yield opened
        browser.close()


@contextmanager
def serve(project: Path, *words: str, path: str = "") -> Iterator[str]:
    """Start a server in the project's environment on a free port."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}{path}"
    log = project / f"server_{port}.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*words, "--host", "127.0.0.1", "--port", str(port)],
            cwd=project,
            env=environment(project),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its workers end with it
        )
        try:
            _wait_for(url, server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):  # it ended by itself: _wait_for shows its log
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(120)  # a busy machine stops it late


def _free_port() -> int:
    """Find an unused port below the ephemeral ones, which Kedro-Viz refuses."""
    for port in random.Random().sample(range(20_000, 32_000), 50):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path, most: float = 120) -> None:
    end = time.monotonic() + most
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"{url} does not answer after {most} s: {log.read_text()}")
