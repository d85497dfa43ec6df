"""`python -m core.jobs.forkserver FD`: loads torch once, then forks a worker whenever it is asked over the socket FD.

It has one thread and computes nothing, so that a fork is safe. Whoever asks for a worker sends four open files: the worker's
input, output and errors, and one for the server, which writes the worker's process number into it and, when that has ended,
its exit code. The server ends when the socket does, with whoever started it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys

from core.jobs.processes import LENGTH

LOADED = (
    "core.experiment",
    "core.claims.spectral_history",
    "core.atlas.surveys",
    "core.claims.retraining",
    "sklearn.datasets",
)


def main(descriptor: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started it
    sys.modules["pyarrow"] = (
        None  # pandas, which scikit-learn loads, does without: its allocator has a thread of its own
    )
    for name in LOADED:
        importlib.import_module(name)
    del sys.modules["pyarrow"]
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the workers
    with socket.socket(fileno=descriptor) as line:
        files = _serve(line)
    if files:
        _work(*files)


def _serve(line: socket.socket) -> tuple[dict, list[int]] | None:
    """Forks until the line ends. In a worker it returns what was asked and its files."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    told: dict[int, int] = {}  # process number -> where its end is told
    with selectors.DefaultSelector() as both:
        both.register(line, selectors.EVENT_READ)
        both.register(ended, selectors.EVENT_READ)
        while True:
            ready = [key.fd for key, _ in both.select()]
            if ended in ready:
                os.read(ended, 4096)
                _tell(told)
            if line.fileno() not in ready:
                continue
            head, files, *_ = socket.recv_fds(line, LENGTH.size, 4)
            if len(head) < LENGTH.size:
                return None
            asked = json.loads(_exactly(line, LENGTH.unpack(head)[0]))
            *its_own, news = files
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for fd in (ended, wake, news, *told.values()):
                    os.close(fd)
                return asked, its_own
            os.write(news, b"%d\n" % pid)
            told[pid] = news
            for fd in its_own:
                os.close(fd)


def _exactly(line: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        content += line.recv(count - len(content)) or sys.exit(0)
    return content


def _tell(told: dict[int, int]) -> None:
    while told:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        news = told.pop(pid)
        try:
            os.write(news, b"%d\n" % os.waitstatus_to_exitcode(status))
        except BrokenPipeError:
            pass  # nobody asks any more
        os.close(news)


def _work(asked: dict, files: list[int]) -> None:
    for fd, place in zip(files, (0, 1, 2), strict=True):
        os.dup2(fd, place)
        os.close(fd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    importlib.import_module("core.jobs.worker").main()


if __name__ == "__main__":
    main(int(sys.argv[1]))
