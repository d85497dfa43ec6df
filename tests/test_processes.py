"""Worker processes: forked and fresh ones behave alike, and nobody is left behind."""

import json
import os
import signal
import subprocess
import sys

import pytest
from small import digits
from visiting import REPOSITORY
from waiting import wait_until

from core.jobs import processes
from core.store import Store

forking = pytest.mark.skipif(not processes.FORKS, reason="this system's workers are fresh processes")


@pytest.fixture
def begin(tmp_path):
    """Starts a worker; at the end all are over and nothing stays open."""
    begun = []

    def make():
        with open(tmp_path / "errors", "wb") as errors:
            begun.append(processes.start(errors))
        return begun[-1]

    yield make
    for process in begun:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=250)


def task(store: Store, **changes) -> dict:
    return {"task": "run", "spec": digits(**changes).to_dict(), "root": str(store.root)}


def say(process, *messages: dict) -> None:
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()


def heard(process) -> list[dict]:
    return [json.loads(line) for line in process.stdout]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as file:  # ended, and waited for by nobody yet
        return file.read().rsplit(")", 1)[1].split()[0] == "Z"


@pytest.mark.parametrize("forks", [pytest.param(True, marks=forking), False], ids=["forked", "fresh"])
def test_a_worker_does_its_task_and_ends(store, begin, monkeypatch, tmp_path, forks):
    monkeypatch.setattr(processes, "FORKS", forks)
    process = begin()
    assert isinstance(process, processes.Forked) is forks
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)
    say(process, task(store, max_epochs=2))
    assert heard(process)[-1]["say"] == "done"
    assert process.wait(timeout=250) == process.returncode == 0
    process.kill()  # of one that has ended: nothing
    assert (tmp_path / "errors").read_bytes() == b""
    assert store.open(digits(max_epochs=2).key()).finished


@forking
def test_forked_workers_train_to_the_very_bits_of_this_process(store, begin, whole):
    process = begin()
    say(process, task(store))
    heard(process)
    key = digits().key()
    files = {file.name for file in (store.root / "runs" / key).glob("*.safetensors")}
    assert files and all(
        (store.root / "runs" / key / name).read_bytes() == (whole.root / "runs" / key / name).read_bytes()
        for name in files
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Store:
    from core import experiment

    store = Store(tmp_path_factory.mktemp("whole"))
    list(experiment.run(digits(), store))
    return store


@forking
def test_a_forked_worker_has_its_askers_folder_and_settings_of_that_moment(store, begin, monkeypatch, tmp_path):
    begin().stdin.close()  # the server is there from now on
    monkeypatch.setenv("PRUNING_DEVICE", "abacus")
    monkeypatch.chdir(tmp_path)
    process = begin()
    wait_until(lambda: os.readlink(f"/proc/{process.pid}/cwd") == str(tmp_path), what="the worker to be there")
    wait_until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 10, what="its niceness")
    say(process, task(store) | {"root": "here"})
    assert "device 'abacus' is not available" in heard(process)[-1]["text"]
    assert process.wait(timeout=250) == 0


@forking
def test_the_fork_server_has_one_thread(begin):
    assert begin().pid > 0  # by then all is loaded
    assert len(os.listdir(f"/proc/{processes._server._process.pid}/task")) == 1


@forking
def test_a_killed_worker_says_so_and_the_next_one_works(store, begin, gates):
    gates.hold(digits().key())
    first, second = begin(), begin()
    say(first, task(store))
    wait_until(lambda: first.stdout.readline(), what="the first to begin")
    first.kill()
    assert first.wait(timeout=250) == -signal.SIGKILL
    assert second.poll() is None and second.pid != first.pid
    second.stdin.close()
    assert second.wait(timeout=250) == 0


@forking
def test_a_killed_fork_server_takes_its_workers_along_and_another_comes(store, begin):
    process = begin()
    pid, server = process.pid, processes._server._process
    server.kill()
    assert process.wait(timeout=250) == -signal.SIGKILL
    wait_until(lambda: gone(pid), what="the worker to go")
    server.wait()
    process = begin()
    assert isinstance(process, processes.Forked) and processes._server._process is not server
    say(process, task(store, max_epochs=1))
    assert heard(process)[-1]["say"] == "done" and process.wait(timeout=250) == 0


@forking
def test_where_the_fork_server_cannot_load_torch_workers_are_fresh_and_say_why(store, begin, monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "_server", None)
    (tmp_path / "torch.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(processes, "REPOSITORY", tmp_path)  # first on the path, and this folder's torch with it
    (tmp_path / "core").symlink_to(REPOSITORY / "core")
    first = begin()
    assert first.wait(timeout=250) == -signal.SIGKILL
    processes._server._process.wait()
    process = begin()
    assert isinstance(process, subprocess.Popen)
    say(process, task(store))
    assert "half installed" in heard(process)[-1]["text"] and process.wait(timeout=250) == 0


@forking
def test_the_fork_server_ends_with_who_started_it_and_ctrl_c_is_not_for_it():
    code = (
        "from core.jobs import processes; processes.warm(); print(processes._server._process.pid, flush=True); input()"
    )
    asker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    pid = int(asker.stdout.readline())
    wait_until(lambda: os.path.exists(f"/proc/{pid}/stat"), what="the server")
    wait_until(lambda: _ignores_ctrl_c(pid), what="the server to be set up")
    os.kill(pid, signal.SIGINT)
    assert not gone(pid)
    asker.kill()
    asker.communicate()  # which closes its pipes
    wait_until(lambda: gone(pid), what="the server to go")


def _ignores_ctrl_c(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as file:
        ignored = next(line.split()[1] for line in file if line.startswith("SigIgn"))
    return bool(int(ignored, 16) >> (signal.SIGINT - 1) & 1)
