"""How a run under way is steered: orders come in while it trains, and it says what it then does."""

from __future__ import annotations

import queue
import time
from typing import Any

SAY_EVERY = 0.15  # seconds between two progress lines


class Steering:
    """Commands for `experiment.run`, fed by a queue of command objects; None in the queue means that the asker is gone.

    One thread (the reader) fills the queue, one (the training) empties it, and all state here belongs to the latter.

    asks: a run that is held has given its place back, so that another may train meanwhile, and asks for one before it goes on:
    it says "asks" with a number and waits for {"command": "let in"} with that number. An answer to an earlier wish, which a
    pause has taken back since, has another number and counts for nothing.
    """

    def __init__(self, inbox: queue.Queue, say, *, pause_at_cuts: bool = False, pace: float = 0.0, asks: bool = False):
        self._inbox, self._say = inbox, say
        self._asks, self._wishes = asks, 0
        self.pause_at_cuts, self.pace = pause_at_cuts, pace
        self._holding = False
        self._hold_after: int | None = None  # hold once this epoch is over
        self._hold_at_cut = False
        self.stopping = False
        self.prune_to: float | None = None  # a cut by hand that waits for the end of the epoch
        self.epoch_began = self._said = time.monotonic()
        self._epoch, self._next_end = 0, 1  # the epoch under way or just over, and the one that ends next

    # -- what experiment.run asks ------------------------------------------------------------------------------------

    def during(self, epoch: int, share: float) -> bool:
        self._epoch = self._next_end = epoch
        now = time.monotonic()
        if now - self._said >= SAY_EVERY:
            self._said = now
            self._say("progress", epoch=epoch, share=round(share, 3))
        self._drain()
        if self._holding and self.prune_to is None:
            self._wait_while_held("paused")
        return not self.stopping

    def between(self, epoch: int, cut: bool) -> bool:
        self._epoch, self._next_end = epoch, epoch + 1
        self._say("epoch", epoch=epoch, cut=cut)
        self._drain()
        if self._hold_after is not None and epoch >= self._hold_after:
            self._holding, self._hold_after = True, None
        if cut and (self._hold_at_cut or self.pause_at_cuts):
            self._holding, self._hold_at_cut = True, False
        if self.prune_to is None and self._holding:
            self._wait_while_held("held at a cut" if cut else "paused")
        self._keep_pace()
        self.epoch_began = time.monotonic()
        return not self.stopping and self.prune_to is None

    # -- inside ------------------------------------------------------------------------------------------------------

    def branch_taken(self, epoch: int) -> None:
        """The run goes on as a branch that is cut at `epoch`; a run that was held is held again right after."""
        if self._holding:
            self._holding, self._hold_after = False, epoch
        self.prune_to = None

    def _wait_while_held(self, state: str) -> None:
        going = False
        while not going and not self.stopping:
            self._say("state", state=state, epoch=self._epoch)
            while self._holding and not self.stopping and self.prune_to is None:
                self._obey(self._inbox.get())
            going = not self._asks or self._let_in()
        if not self.stopping:
            self._say("state", state="training", epoch=self._epoch)

    def _let_in(self) -> bool:
        """Whether there is a place now; False where a person would rather have it held again, or stopped."""
        if self.stopping:
            return False
        self._wishes += 1
        self._say("asks", number=self._wishes)
        while not self.stopping:
            order = self._inbox.get()
            command = None if order is None else order.get("command")
            if command == "let in" and order["number"] == self._wishes:
                return True
            if command == "pause":
                self.prune_to = None  # a cut by hand that was still waiting is taken back with the wish to go on
            self._obey(order)
            if command == "pause":
                return False
        return False

    def _keep_pace(self) -> None:
        while not self.stopping and self.prune_to is None:
            left = self.epoch_began + self.pace - time.monotonic()
            if left <= 0:
                return
            try:
                self._obey(self._inbox.get(timeout=left))
            except queue.Empty:
                return
            if self._holding:
                self._wait_while_held("paused")

    def _drain(self) -> None:
        while True:
            try:
                self._obey(self._inbox.get_nowait())
            except queue.Empty:
                return

    def _obey(self, order: dict[str, Any] | None) -> None:
        command = None if order is None else order.get("command")
        if command is None or command == "stop":
            self.stopping = True
        elif command == "pause":
            self._holding = True
        elif command in ("resume", "step", "next-cut"):
            self._holding = False
            self._hold_after = self._next_end if command == "step" else None
            self._hold_at_cut = command == "next-cut"
        elif command == "prune":
            self.prune_to = order["ratio"]
        elif command == "pause-at-cuts":
            self.pause_at_cuts = bool(order["on"])
        elif command == "pace":
            self.pace = float(order["seconds"])
