"""`python -m bench.sessions`: a run in training, watched by N sessions; what a rerun of the page costs and what training loses.

Needs a Chromium (it presses the buttons), and full MNIST in PRUNING_DATA for `--dataset mnist`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench.visitors import Visitors
from core.spec import PruningSpec, RunSpec
from core.store import Store

REPOSITORY = Path(__file__).parents[1]
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def epochs(store: Store, key: str) -> list[float]:
    """Training seconds of every epoch so far, before the first cut (cuts make epochs shorter)."""
    return [line["seconds"] for line in store.log(key) if line["kind"] == "EpochEnded"]


def wait_epochs(store: Store, key: str, count: int, page: Page, deadline: float = 300) -> None:
    until = time.monotonic() + deadline
    while len(epochs(store, key)) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"only {len(epochs(store, key))} of {count} epochs came in {deadline:.0f} s")
        page.wait_for_timeout(100)


def spell(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    return f"median {statistics.median(ordered):.0f} ms, 95 % under {ordered[int(0.95 * (len(ordered) - 1))]:.0f} ms"


def timed(page: Page, button: str, text: str) -> float:
    """Milliseconds from the click until the page says `text`."""
    began = time.perf_counter()
    page.get_by_role("button", name=button).first.click()
    page.get_by_text(text).first.wait_for(timeout=20_000)
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sessions", description=__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=12, help="epochs per phase")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    times, port = Path(folder) / "times", free_port()
    environment = os.environ | {"PRUNING_CACHE": str(Path(folder) / "cache"), "BENCH_TIMES": str(times)}
    command = [sys.executable, "-m", "bench.timed_server", str(port)]
    server = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    # No cut before the last epoch: all epochs cost the same, so that only the watchers make a difference.
    spec = RunSpec(
        dataset=options.dataset, max_epochs=10_000, target_accuracy=1.0, learning_rate=1e-4,
        pruning=PruningSpec(start_accuracy=1.0),
    )  # fmt: skip
    store = Store(environment["PRUNING_CACHE"])
    query = f"dataset={options.dataset}&epochs=10000&target=100.0&rate=0.0001&start=100.0"
    link = f"http://127.0.0.1:{port}/?{query}"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            pages = [browser.new_context(viewport={"width": 1366, "height": 768}).new_page()]
            for _ in range(100):
                try:
                    pages[0].goto(link)
                    break
                except Exception:
                    pages[0].wait_for_timeout(200)
            pages[0].get_by_role("button", name="Start").wait_for(timeout=60_000)
            pages[0].get_by_test_id("curves").wait_for(timeout=60_000)
            began = time.perf_counter()
            pages[0].get_by_role("button", name="Start").click()
            pages[0].get_by_text("of training images right").first.wait_for(timeout=60_000)
            say(
                f"{options.dataset}: first point on the curve {time.perf_counter() - began:.1f} s after the click on Start"
            )
            key = spec.key()
            wait_epochs(store, key, 3, pages[0])
            say(f"pause: {timed(pages[0], 'Pause', 'paused'):.0f} ms to the page's answer")
            curves = pages[0].get_by_test_id("curves")
            points, began = int(curves.get_attribute("data-points")), time.perf_counter()
            pages[0].get_by_role("button", name="Step").first.click()
            pages[0].locator(f"[data-testid=curves][data-points='{points + 1}']").wait_for(timeout=20_000)
            say(f"step: {1000 * (time.perf_counter() - began):.0f} ms to the new point, the epoch's training included")
            pages[0].wait_for_timeout(4000)
            say(f"go on: {timed(pages[0], 'Go on', 'training ·'):.0f} ms to the page's answer")
            pages[0].goto("about:blank")
            phases = {}
            for count in (0, 1, options.sessions):
                with Visitors(port, f"{query}&run={key}", count) as visitors:
                    pages[0].wait_for_timeout(3000)
                    first, heard = len(epochs(store, key)), len(visitors.waits)
                    start = time.time()
                    wait_epochs(store, key, first + options.epochs, pages[0], 600)
                    waits = [1000 * wait for wait in visitors.waits[heard:]]
                reruns = [line.split() for line in times.read_text("utf-8").splitlines()]
                costs = [float(cost) for when, cost in reruns if float(when) > start]
                phases[count] = seconds = epochs(store, key)[first:]
                ratio = statistics.median(seconds) / statistics.median(phases[0])
                spread = f"({min(seconds):.3f}..{max(seconds):.3f})"
                say(
                    f"{count} sessions: an epoch takes {statistics.median(seconds):.3f} s {spread}, {ratio:.2f} × alone"
                )
                if count:
                    say(
                        f"  {len(waits)} reruns of the fragment, asked to answered: {spell(waits)}; itself: {spell(costs)}"
                    )
            pages[0].goto(f"{link}&run={key}")
            pages[0].get_by_text("training ·").first.wait_for(timeout=30_000)
            pages[0].wait_for_timeout(3000)
            say(f"stop: {timed(pages[0], 'Stop', 'Resume'):.0f} ms to the page's answer")
            browser.close()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
