"""A real server and a real Chromium for the tests that need them, and a visitor who notes what should not be."""

import contextlib
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import weakref
from pathlib import Path

import pytest
from holding import Gates
from visiting import asking_for
from waiting import wait_until

from core.spec import RunSpec
from core.store import Store

REPOSITORY = Path(__file__).parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DESKTOP, LAPTOP = {"width": 1920, "height": 1080}, {"width": 1366, "height": 768}
SECONDS = (
    120_000  # in ms: how long a text may take to come, where an epoch takes seconds and the machine is everybody's
)
# In ms, before whatever is done in the browser: with 200, all that is trained seems as if on a machine many times as fast.
SLOW_HAND = float(os.environ.get("SLOW_HAND", 0))
# In ms, before each frame that a page draws: with 300, whoever reads before it is drawn reads what was there before.
SLOW_FRAMES = float(os.environ.get("SLOW_FRAMES", 0))
FRAMES = "((own, late) => { window.requestAnimationFrame = (draw) => setTimeout(() => own(draw), late); })"
# What Streamlit shows where something is still to come shimmers for as long as that takes: where the machine is busy, drawing
# it again and again is half of what a visit costs. Here it stands still.
SHIMMER = "[data-testid=stSkeleton], [data-testid=stAppSkeleton] *"
NO_SHIMMER = f"""{{
  const still = new CSSStyleSheet();
  still.replaceSync("{SHIMMER} {{ animation: none !important }}");
  document.adoptedStyleSheets.push(still);
}}"""

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
    """`streamlit run app.py` on a free port, on a cache of its own; `gates` hold what it trains and works out. `prefix`: the
    path under which the app lives, as behind a proxy."""

    def __init__(self, cache: Path, prefix: str = ""):
        self.cache, self.store, self.log = cache, Store(cache), cache.with_name(f"{cache.name}.log")
        self.gates = Gates(cache.with_name(f"{cache.name}-gates"))
        self.prefix = prefix
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str = "") -> str:
        return "/".join([self.origin, *filter(None, [self.prefix]), path])

    def start(self) -> None:
        environment = os.environ | {
            "PRUNING_CACHE": str(self.cache),
            "PRUNING_GATES": str(self.gates.folder),
            "PRUNING_MAX_WORKERS": "3",
            "PRUNING_DEVICE": "cpu",
        }
        environment.pop("PRUNING_DATA", None)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        command += ["--server.port", str(self.port), "--server.fileWatcherType", "none"]
        command += ["--server.baseUrlPath", self.prefix]
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
        return self._lines(key, "EpochEnded")

    def cuts(self, key: str) -> int:
        return self._lines(key, "Pruned")

    def _lines(self, key: str, kind: str) -> int:
        there = (self.cache / "runs" / key).is_dir()
        return sum(line["kind"] == kind for line in self.store.log(key)) if there else 0

    def trains(self, key: str, epochs: int) -> None:
        """Lets the held run train so many epochs more, and holds it again."""
        wanted = self.epochs(key) + epochs
        self.gates.hold(key, wanted)
        wait_until(lambda: self.epochs(key) == wanted, SECONDS / 1000, what=f"epoch {wanted}")

    def trains_to_cut(self, key: str, number: int) -> None:
        """Lets the held run train to its cut of that number, and holds it there."""
        while self.cuts(key) < number:
            assert not self.store.open(key).finished, f"the run ended before its cut {number}"
            self.trains(key, 1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with server_on(tmp_path_factory.mktemp("cache")) as server:
        yield server


@contextlib.contextmanager
def server_on(cache: Path, prefix: str = ""):
    """A server of one's own; at the end none of its sessions has met an error."""
    server = Server(cache, prefix)
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
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, slow_mo=SLOW_HAND)
        yield browser
        browser.close()


class Visitor:
    """One browser of its own (cookies, storage) with one page, that notes what should not be."""

    def __init__(self, page, server: Server):
        self._server, self.page, self.context = server, page, page.context
        self.page.set_default_timeout(SECONDS)
        self.strangers, self.errors = [], []
        own = (server.origin + "/", f"ws://127.0.0.1:{server.port}/", "data:", "blob:")
        self._listeners = {
            "request": lambda r: None if r.url.startswith(own) else self.strangers.append(r.url),
            "websocket": lambda s: None if s.url.startswith(own) else self.strangers.append(s.url),
            "console": self._note,
            "pageerror": lambda error: self.errors.append(str(error)),
        }
        for event, listener in self._listeners.items():
            self.page.on(event, listener)

    def leave(self) -> None:
        """Off the page; what comes after it is not this visitor's."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    def _note(self, message) -> None:
        # Two things that Streamlit's own script says on a direct link to a page: it asks for /runs/_stcore/… before it tries
        # /_stcore/…, and on a server that has just started it does not know the page at first (see visitor/cold.js).
        known = "/_stcore/" in message.location["url"] or message.text.startswith("The page that you have requested")
        if message.type == "error" and not known:
            self.errors.append(f"{message.text} ({message.location['url']})")

    def visit(self, path: str = "") -> None:
        self.page.goto(self._server.url(path))

    def starts(self, spec: RunSpec) -> str:
        """Opens the link that asks for the spec and presses Start; gives the run's key."""
        self.visit(f"?{asking_for(spec)}")
        self.page.get_by_test_id("board-canvas").wait_for()  # what is pressed while the page draws itself can be lost
        self.press("Start")
        self.until(lambda: self.linked() == spec.key(), "the run in the link")
        return spec.key()

    def button(self, name: str):
        return self.page.get_by_test_id("stMain").get_by_role("button", name=name).first

    def press(self, name: str) -> None:
        self.button(name).click()

    def sees(self, text: str | re.Pattern) -> None:
        from playwright.sync_api import TimeoutError as TooLate  # here, since it is not installed everywhere

        try:
            self.page.get_by_text(text).first.wait_for()
        except TooLate as error:
            raise AssertionError(f"{error}; {self._said()}") from None

    def stopped(self) -> None:
        """Waits until the run can be resumed: a word on the button, which the help of others has too."""
        self.until(lambda: self.button("Resume").is_visible(), "the run to stop")

    def pace(self, name: str) -> None:
        """Chooses how fast epochs follow one another. To hold a run while one looks at it, there are gates."""
        self.page.get_by_role("combobox", name="Pace").click()
        self.page.get_by_role("option", name=name).click()

    def linked(self) -> str | None:
        found = re.search(r"[?&]run=([0-9a-f]+)", self.page.url)
        return found and found[1]

    def frame(self) -> None:
        """Waits for the page's next frame, with which it draws what a click or a key has changed."""
        self.page.evaluate("() => new Promise(requestAnimationFrame)")

    def until(self, condition, what: str) -> None:
        """Waits as `wait_until`, but lets the page's events in."""

        def there():
            self.frame()
            return condition()

        try:
            wait_until(there, SECONDS / 1000, what=what, every=0.05)  # each question costs three processes work
        except AssertionError as error:
            raise AssertionError(f"{error}; {self._said()}") from None

    def _said(self) -> str:
        return f"{self.page.url} says:\n{self.page.inner_text('body')}"


class Pages:
    """Pages to lend, each in a browser's profile of its own. One that comes back is lent again, blank and with its storage
    emptied: that its process has compiled Streamlit's scripts before saves half of what a visit costs. `fresh`: one that was
    never used, and is not used again."""

    def __init__(self, chromium):
        self._chromium, self._free = chromium, {}

    def lend(self, fresh: bool, **options):
        free = self._free.get(_name(options))
        if free and not fresh:
            return free.pop()
        context = self._chromium.new_context(**options)
        context.add_init_script(NO_SHIMMER)
        if SLOW_FRAMES:
            context.add_init_script(f"{FRAMES}(requestAnimationFrame, {SLOW_FRAMES})")
        return context.new_page()

    def take_back(self, page, server: Server, fresh: bool, **options) -> None:
        if fresh or page.is_closed():
            page.context.close()
            return
        page.goto("about:blank")
        page.mouse.move(0, 0)
        origin = {"origin": server.origin, "storageTypes": "local_storage,indexeddb,cache_storage"}
        session = page.context.new_cdp_session(page)
        session.send("Storage.clearDataForOrigin", origin)
        session.detach()
        page.context.clear_cookies()
        self._free.setdefault(_name(options), []).append(page)


def _name(options: dict) -> str:
    return repr(sorted(options.items()))


@contextlib.contextmanager
def visits(kind: type[Visitor], chromium, server: Server):
    """Makes visitors of a kind; at the end none of them has asked another host, or met an error."""
    made = []
    pages = _PAGES.setdefault(chromium, Pages(chromium))

    def make(viewport=DESKTOP, *, fresh: bool = False, color_scheme: str = "light", **options) -> Visitor:
        page = pages.lend(fresh, **options)
        made.append((kind(page, server), {"fresh": fresh} | options))
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme)
        return made[-1][0]

    yield make
    for visitor, lent in made:
        visitor.leave()
        pages.take_back(visitor.page, server, **lent)
        assert visitor.strangers == [], visitor.strangers
        assert visitor.errors == [], visitor.errors


def times_a_plain_page(make, path: str, painted) -> float:
    """How many times as long as a page without a figure this one takes to its first paint, the best of two each, in browsers
    that were never there. A ratio, since machines differ. `painted(visitor)` waits for the paint."""
    best: dict[str, float] = {}
    for _ in range(2):
        for one, there in ((path, painted), ("runs", lambda visitor: visitor.sees("runs. This computer"))):
            visitor = make(fresh=True)
            began = time.monotonic()
            visitor.visit(one)
            there(visitor)
            best[one] = min(best.get(one, math.inf), time.monotonic() - began)
            visitor.page.goto("about:blank")
    return best[path] / best["runs"]


_PAGES = weakref.WeakKeyDictionary()  # by browser
