"""Worker processes (`core.jobs.worker`), each forked from a server that has loaded torch, so that one trains at once.

A fresh process loads torch for two seconds before its first step; `core.jobs.forkserver` does so once, and forks. Where one
cannot fork safely (macOS, Windows), or the fork server is not there, a worker is a fresh process. The two behave alike.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

FORKS = sys.platform == "linux"  # macOS can fork, but its own libraries do not survive that
LENGTH = struct.Struct("<I")
LISTEN_SECONDS = 0.05
REPOSITORY = Path(__file__).resolve().parents[2]


class Forked:
    """A worker that the fork server made, as `subprocess.Popen` would show it: text pipes `stdin` and `stdout`, `returncode`
    None until it has ended, a signal's number negative."""

    def __init__(self, stdin: IO[str], stdout: IO[str], news: int):
        self.stdin, self.stdout, self.returncode = stdin, stdout, None
        self._news, self._heard, self._lock = news, b"", threading.Lock()  # "pid\n", then at its end "exit code\n"

    @property
    def pid(self) -> int:
        """Waits until it is there: moments, or as long as the fork server still loads torch."""
        while b"\n" not in self._heard and self.returncode is None:
            self._listen(LISTEN_SECONDS)
        return int(self._heard.split(b"\n")[0] or -1)

    def poll(self) -> int | None:
        self._listen(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired when `timeout` seconds have passed."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("core.jobs.worker", timeout)
            self._listen(LISTEN_SECONDS)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None and self.pid > 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _listen(self, seconds: float) -> None:
        with self._lock:
            if self.returncode is not None:
                return
            waiting = select.poll()
            waiting.register(self._news, select.POLLIN)
            if not waiting.poll(seconds * 1000):
                return
            said = os.read(self._news, 100)
            self._heard += said
            pid, *code = self._heard.split(b"\n")[:-1] or [b""]
            if code:
                self.returncode = int(code[0])
            elif not said:  # the fork server is gone: nobody will say how this worker ends, so it ends here
                self.returncode = -signal.SIGKILL
                with contextlib.suppress(OSError, ValueError):
                    os.kill(int(pid), signal.SIGKILL)
            if self.returncode is not None:
                os.close(self._news)


class _Server:
    """The fork server of this process."""

    def __init__(self):
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "core.jobs.forkserver", str(theirs.fileno())]
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, env=_environment(), pass_fds=[theirs.fileno()], **quiet)

    @property
    def there(self) -> bool:
        return self._process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, as it does where something cannot be loaded: another one would, too."""
        return (self._process.poll() or 0) > 0

    def fork(self, errors: IO[bytes]) -> Forked:
        """Raises OSError if the server is gone."""
        (its_input, stdin), (stdout, its_output), (news, its_news) = os.pipe(), os.pipe(), os.pipe()
        given = [its_input, its_output, errors.fileno(), its_news]
        asked = json.dumps({"cwd": os.getcwd(), "environment": _environment()}).encode()
        forked = Forked(open(stdin, "w", encoding="utf-8"), open(stdout, encoding="utf-8"), news)
        try:
            socket.send_fds(self._line, [LENGTH.pack(len(asked))], given)
            self._line.sendall(asked)
        except OSError:
            forked.stdin.close()
            forked.stdout.close()
            os.close(news)
            raise
        finally:
            for end in (its_input, its_output, its_news):
                os.close(end)
        return forked

    def close(self) -> None:
        self._line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)


_lock = threading.Lock()
_server: _Server | None = None


def warm() -> None:
    """Starts the fork server, where there can be one and none is there: it takes some seconds to load torch."""
    global _server
    with _lock:
        wanted = FORKS and (_server is None or not (_server.there or _server.failed))
        if wanted and importlib.util.find_spec("torch"):
            _server = _Server()
            atexit.register(_server.close)


def start(errors: IO[bytes]) -> subprocess.Popen | Forked:
    """Starts a worker whose errors go to the file `errors`; a forked one is there as soon as the fork server is."""
    warm()
    with _lock:
        if FORKS and _server is not None and _server.there:
            with contextlib.suppress(OSError):
                return _server.fork(errors)
    return subprocess.Popen(
        [sys.executable, "-m", "core.jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=_environment(),
        text=True,
        encoding="utf-8",
        creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),
    )


def _environment() -> dict[str, str]:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return os.environ | one_thread | {"PYTHONPATH": path}
