"""Browsers' sessions without browsers: what a page's connection asks and gets, so that only the server is measured.

Each visitor opens the page's link over the real websocket, runs the script once, and then reruns the polling fragment as often
as the server told it to. A classroom's laptops draw for themselves; drawing here would measure the drawing.
"""

from __future__ import annotations

import asyncio
import threading
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect


class Visitors:
    """`count` sessions on `port` that show `query`, from entering the `with` to leaving it.

    waits: seconds from asking for a rerun of the fragment to its last message, over all visitors.
    """

    def __init__(self, port: int, query: str, count: int):
        self._url, self._query, self._count = f"ws://127.0.0.1:{port}/_stcore/stream", query, count
        self.waits: list[float] = []
        self._over = threading.Event()

    def __enter__(self) -> Visitors:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    async def _all(self) -> None:
        await asyncio.gather(*(self._visit() for _ in range(self._count)))

    async def _visit(self) -> None:
        async with connect(self._url, subprotocols=["streamlit"], max_size=None) as socket:
            first = BackMsg()
            first.rerun_script.query_string = self._query
            timer = await self._run(socket, first)
            while not self._over.is_set():
                interval, fragment = timer
                await asyncio.sleep(interval)
                again = BackMsg()
                again.rerun_script.query_string = self._query
                again.rerun_script.fragment_id = fragment
                again.rerun_script.is_auto_rerun = True
                asked = time.perf_counter()
                timer = await self._run(socket, again) or timer
                self.waits.append(time.perf_counter() - asked)

    async def _run(self, socket, message: BackMsg) -> tuple[float, str] | None:
        """Sends the message and reads to the end of the script's run; gives the fragment's timer if it was set."""
        await socket.send(message.SerializeToString())
        timer = None
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(await socket.recv())
            if answer.WhichOneof("type") == "auto_rerun":
                timer = (answer.auto_rerun.interval, answer.auto_rerun.fragment_id)
            if answer.WhichOneof("type") == "script_finished":
                return timer
