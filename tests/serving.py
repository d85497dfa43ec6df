"""A real server and a real Chromium for the tests that need them, and a visitor who notes what should not be."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
import weakref
from pathlib import Path

import pytest
from waiting import wait_until

from core.store import Store

REPOSITORY = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESKTOP, LAPTOP = {"width": 1920, "height": 1080}, {"width": 1366, "height": 768}
SECONDS = 30_000  # in ms: how long a text may take to come

# Every text that a person sees in the element: words and size in CSS px.
TEXTS = """(root) => {
  const found = [], walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() && element.checkVisibility({ visibilityProperty: true }))
      found.push([walk.currentNode.data.trim(), parseFloat(getComputedStyle(element).fontSize)]);
  }
  return found;
}"""


class Server:
    """`streamlit run app.py` on a free port, on a cache of its own."""

    def __init__(self, cache: Path):
        self.cache, self.store, self.log = cache, Store(cache), cache.with_name(f"{cache.name}.log")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def start(self) -> None:
        environment = os.environ | {
            "PRUNING_CACHE": str(self.cache),
            "PRUNING_MAX_WORKERS": "3",
            "PRUNING_DEVICE": "cpu",
        }
        environment.pop("PRUNING_DATA", None)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        command += ["--server.port", str(self.port), "--server.fileWatcherType", "none"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL, stderr=log
            )
        wait_until(self._answers, what="the server")

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(self.url("_stcore/health"), timeout=2) as answer:
            return answer.status == 200
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.process.kill()  # SIGKILL: nothing is told to anybody; workers end for their input does
        self.process.wait()

    def epochs(self, key: str) -> int:
        return sum(line["kind"] == "EpochEnded" for line in self.store.log(key))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with server_on(tmp_path_factory.mktemp("cache")) as server:
        yield server


@contextlib.contextmanager
def server_on(cache: Path):
    """A server of one's own; at the end none of its sessions has met an error."""
    server = Server(cache)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.log.read_text("utf-8"), server.log.read_text("utf-8")


@pytest.fixture(scope="module")
def chromium():
    reason = None
    if CHROMIUM is None:
        reason = "no chromium, chromium-browser or google-chrome is installed"
    else:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            reason = "playwright is not installed (requirements-dev.txt)"
    if reason:
        pytest.fail(reason) if os.environ.get("PRUNING_REQUIRE_BROWSER") else pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """One browser of its own (cookies, storage) with one page, that notes what should not be."""

    def __init__(self, context, server: Server):
        self._server, self.context = server, context
        self.page = context.new_page()
        self.page.set_default_timeout(SECONDS)
        self.strangers, self.errors = [], []
        own = (server.url(), f"ws://127.0.0.1:{server.port}/", "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.strangers.append(r.url))
        self.page.on("websocket", lambda s: None if s.url.startswith(own) else self.strangers.append(s.url))
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message) -> None:
        # Two things that Streamlit's own script says on a direct link to a page: it asks for /runs/_stcore/… before it tries
        # /_stcore/…, and on a server that has just started it does not know the page at first (see visitor/cold.js).
        known = "/_stcore/" in message.location["url"] or message.text.startswith("The page that you have requested")
        if message.type == "error" and not known:
            self.errors.append(f"{message.text} ({message.location['url']})")

    def visit(self, path: str = "") -> None:
        self.page.goto(self._server.url(path))

    def button(self, name: str):
        return self.page.get_by_test_id("stMain").get_by_role("button", name=name).first

    def press(self, name: str) -> None:
        self.button(name).click()

    def sees(self, text: str | re.Pattern) -> None:
        self.page.get_by_text(text).first.wait_for()

    def linked(self) -> str | None:
        found = re.search(r"[?&]run=([0-9a-f]+)", self.page.url)
        return found and found[1]

    def until(self, condition, what: str) -> None:
        """Waits as `wait_until`, but lets the page's events in."""

        def there():
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
            return condition()

        try:
            wait_until(there, SECONDS / 1000, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.page.url} says:\n{self.page.inner_text('body')}") from None


class Profiles:
    """Browsers' profiles to lend. One that comes back is lent again with its storage emptied: what it has of Streamlit's
    scripts spares the next visitor a second of loading and compiling. `fresh`: one that was never on any page."""

    def __init__(self, chromium):
        self._chromium, self._free = chromium, {}

    def lend(self, server: Server, fresh: bool, **options):
        name = repr(sorted(options.items()))
        if fresh or not self._free.get(name):
            return name, self._chromium.new_context(**options)
        context = self._free[name].pop()
        page = context.new_page()
        origin = {"origin": server.url().rstrip("/"), "storageTypes": "local_storage,indexeddb,cache_storage"}
        context.new_cdp_session(page).send("Storage.clearDataForOrigin", origin)
        context.clear_cookies()
        page.close()
        return name, context

    def take_back(self, name: str, context) -> None:
        for page in context.pages:
            page.close()
        self._free.setdefault(name, []).append(context)


@contextlib.contextmanager
def visits(kind: type[Visitor], chromium, server: Server):
    """Makes visitors of a kind; at the end none of them has asked another host, or met an error."""
    made = []
    profiles = _PROFILES.setdefault(chromium, Profiles(chromium))

    def make(viewport=DESKTOP, *, fresh: bool = False, color_scheme: str = "light", **options) -> Visitor:
        name, context = profiles.lend(server, fresh, **options)
        made.append((name, kind(context, server)))
        page = made[-1][1].page
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme)
        return made[-1][1]

    yield make
    for name, visitor in made:
        profiles.take_back(name, visitor.context)
        assert visitor.strangers == [], visitor.strangers
        assert visitor.errors == [], visitor.errors


_PROFILES = weakref.WeakKeyDictionary()  # by browser
