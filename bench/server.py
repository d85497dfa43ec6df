"""Streamlit servers in processes of their own, and the browser that looks at them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from core.store import Store

REPOSITORY = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LAPTOP = {"width": 1366, "height": 768}
PATIENCE = 60  # seconds


class Server:
    """`streamlit run` of a script, on a free port and a cache of its own, from entering the `with` to leaving it.

    began: when its process was started, on the clock of `time.perf_counter`.
    """

    def __init__(self, script: str | Path = "app.py", *, timed: bool = False):
        self._script, self._timed = str(script), timed
        self._folder = tempfile.mkdtemp()
        self.store = Store(Path(self._folder) / "cache")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def __enter__(self) -> Server:
        environment = os.environ | {"PRUNING_CACHE": str(self.store.root), "PRUNING_DEVICE": "cpu"}
        # Without a stopwatch the command is the one that a person types.
        run = ["-m", "bench.timed_server"] if self._timed else ["-m", "streamlit", "run"]
        environment |= {"BENCH_TIMES": str(self._reruns)} if self._timed else {}
        options = ["--server.port", str(self.port), "--server.address", "127.0.0.1", "--server.headless", "true"]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, *run, self._script, *options, "--browser.gatherUsageStats", "false"],
            cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def wait(self) -> None:
        """Until it answers at all. Raises RuntimeError if it ends, TimeoutError if it takes too long."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server of {self._script} ended with {self.process.returncode}")
            with contextlib.suppress(OSError), urllib.request.urlopen(self.url("_stcore/health"), timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.02)
        raise TimeoutError(f"the server of {self._script} did not answer in {PATIENCE} s")

    @property
    def _reruns(self) -> Path:
        return Path(self._folder) / "reruns"

    def reruns(self, since: float) -> list[float]:
        """Milliseconds that each rerun of a fragment took since that `time.time()`, if the server is timed."""
        if not self._reruns.is_file():
            return []
        pairs = [line.split() for line in self._reruns.read_text("utf-8").splitlines()]
        return [float(took) for when, took in pairs if float(when) > since]


def missing() -> str | None:
    """Why there is no browser to look with, in a sentence; None where there is one."""
    if CHROMIUM is None:
        return "no chromium, chromium-browser or google-chrome is on the path"
    return None if find_spec("playwright") else "playwright is not installed (requirements-dev.txt)"


@contextlib.contextmanager
def page() -> Iterator:
    """A page of a Chromium without a window, as large as a laptop's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shown = browser.new_context(viewport=LAPTOP).new_page()
        shown.set_default_timeout(1000 * PATIENCE)
        yield shown
        browser.close()
