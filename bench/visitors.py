"""Browsers' sessions without browsers: what a page's connection asks and gets, so that only the server is measured.

Each visitor opens the page's link over the real websocket, runs the script once, and then reruns the polling fragment as often
as the server told it to. A classroom's laptops draw for themselves; drawing here would measure the drawing.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from dataclasses import dataclass

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

SHOWN = re.compile(rb"Epoch (\d+): ")  # how the learning curves' title begins
LONGEST = 16 * 2**20  # bytes of a message


@dataclass
class Seen:
    """What one visitor saw. waits: seconds from asking for a rerun of the fragment to its last message. epochs: by epoch, the
    `time.time()` at which the curves first showed it or a later one."""

    waits: list[float]
    epochs: dict[int, float]


class Visitors:
    """`count` sessions on `port` that show `query`, from entering the `with` to leaving it. seen: one Seen a visitor."""

    def __init__(self, port: int, query: str, count: int):
        self._port, self._query = port, query
        self.seen = [Seen([], {}) for _ in range(count)]
        self._over = threading.Event()
        self._problems: list[Exception] = []

    def __enter__(self) -> Visitors:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        if self._problems and not any(error):
            raise self._problems[0]

    async def _all(self) -> None:
        visits = (self._visit(seen) for seen in self.seen)
        self._problems += [end for end in await asyncio.gather(*visits, return_exceptions=True) if end]

    async def _visit(self, seen: Seen) -> None:
        async with _connected(self._port) as socket:
            timer = await _run(socket, _asking(self._query), seen)
            if timer is None:
                raise RuntimeError(f"the page {self._query!r} polls nothing: there is no run to watch")
            while not self._over.is_set():
                interval, fragment = timer
                await asyncio.sleep(interval)
                again = _asking(self._query)
                again.rerun_script.fragment_id = fragment
                again.rerun_script.is_auto_rerun = True
                asked = time.perf_counter()
                timer = await _run(socket, again, seen) or timer
                seen.waits.append(time.perf_counter() - asked)


def opened(port: int, page: str = "", query: str = "", says: str = "") -> float:
    """Seconds in which the server has run the page for a new session: connecting, its script, all that it sends. Raises
    RuntimeError unless the text `says` is among that."""

    async def visit() -> float:
        began = time.perf_counter()
        async with _connected(port) as socket:
            first = _asking(query)
            first.rerun_script.page_name = page
            heard: list[bytes] = []
            await _run(socket, first, None, heard)
            if says.encode() not in b"".join(heard):
                raise RuntimeError(f"the page {page!r} does not say {says!r}")
        return time.perf_counter() - began

    return asyncio.run(visit())


def _connected(port: int):
    return connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=LONGEST)


def _asking(query: str) -> BackMsg:
    message = BackMsg()
    message.rerun_script.query_string = query
    return message


async def _run(
    socket, message: BackMsg, seen: Seen | None, heard: list[bytes] | None = None
) -> tuple[float, str] | None:
    """Sends the message and reads to the end of the script's run; gives the fragment's timer if it was set."""
    await socket.send(message.SerializeToString())
    timer = None
    while True:
        content = await socket.recv()
        if heard is not None:
            heard.append(content)
        if seen is not None and (shown := SHOWN.findall(content)):
            seen.epochs.setdefault(max(map(int, shown)), time.time())
        answer = ForwardMsg()
        answer.ParseFromString(content)
        if answer.WhichOneof("type") == "auto_rerun":
            timer = (answer.auto_rerun.interval, answer.auto_rerun.fragment_id)
        early = answer.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN  # the run that it was left for comes next
        if answer.WhichOneof("type") == "script_finished" and not early:
            return timer
