"""A run on a real Ray cluster of two workers, which are killed in the middle of their tasks; and its head as well."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from blockwright.api import run
from blockwright.contracts.executors import EXECUTOR_CONTRACT
from blockwright.errors import UserError
from blockwright_plugins.executors.ray_cluster import Ray, RayOptions

pytest.importorskip("ray", reason="needs `pip install 'blockwright[ray]'`")
SEARCH = ("01-library", "02-scores", "04-solve")
LONGER = (  # so that a task takes long enough to be killed in
    "library: {distill: {tokens: 6144, batch_tokens: 32, evaluate_every: 64, checkpoint_every: 16}}\n"
    "scorer: {name: fisher, samples: 96}\n"
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # workers that yield to everything else take minutes where something else is at work
    "RAY_gcs_rpc_server_reconnect_timeout_s": "4",  # a driver gives a lost head up after so many seconds
}


class Cluster:
    """A head with two CPUs, in a session of its own, so that it can be killed whole."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # short, for the names of its sockets
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2",
            f"--port={self.port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false",
            f"--temp-dir={self.folder}",
        ]  # fmt: skip
        with (Path(self.folder) / "start.log").open("w") as log:
            self.head = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | ENVIRONMENT)
        for _ in range(600):
            if "Ray runtime started" in (Path(self.folder) / "start.log").read_text():
                return
            time.sleep(0.1)
        raise TimeoutError((Path(self.folder) / "start.log").read_text())

    def kill(self) -> None:
        """Everything that the head has started, at once."""
        processes = self._processes()
        for process in processes:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(processes, timeout=10)
        self.head.wait()

    def kill_one_at(self, task: str, within_s: float = 60) -> bool:
        """Kills the first worker that is seen at a task of that name; whether there was one."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            for process in self._processes():
                if task in _title(process.pid):
                    process.send_signal(signal.SIGKILL)
                    return True
        return False

    def _processes(self) -> list[psutil.Process]:
        head = psutil.Process(self.head.pid)
        return [head, *head.children(recursive=True)]


def _title(pid: int) -> str:
    """What Ray calls a worker's process while it is at a task."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(cluster.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def longer(make_recipe: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        recipe = make_recipe(tmp_path_factory.mktemp(name))
        recipe.write_text(recipe.read_text().replace("stages:\n  - refit\n", LONGER))
        return recipe

    return make


@pytest.fixture(scope="module")
def expected(longer: Callable[[str], Path]) -> dict[str, bytes]:
    """The bytes of the run in one process."""
    recipe = longer("here")
    run(recipe)
    return written(recipe)


def written(recipe: Path) -> dict[str, bytes]:
    """What the steps of the search have left, but for the seconds that they took."""
    directory = recipe.parent / "runs" / "tiny"
    files = (path for step in SEARCH for path in (directory / step).rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files if path.name != "done.json"}


def begun(recipe: Path, cluster: Cluster) -> subprocess.Popen[str]:
    """The same command as a person types."""
    overrides = ["executor.name=ray", f"executor.address={cluster.address}"]
    command = [sys.executable, "-c", "from blockwright.cli import main; main()", "run", str(recipe), *overrides]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT)


def counted(recipe: Path, event: str) -> int:
    log = recipe.parent / "runs" / "tiny" / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)["event"] == event for line in lines)


@pytest.mark.parametrize("rule", EXECUTOR_CONTRACT, ids=lambda rule: rule.__name__)
def test_it_keeps_the_contract(rule: Callable[[Ray], None], cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    rule(Ray(RayOptions(address=cluster.address)))


def test_no_cluster_is_told_with_what_to_type() -> None:
    with pytest.raises(UserError, match="type `ray start --head`, or write `address: local`"):
        Ray(RayOptions(address="127.0.0.1:9")).submit(abs, -1)


def test_workers_killed_in_block_distillation_and_scoring_change_no_byte(
    cluster: Cluster, longer: Callable[[str], Path], expected: dict[str, bytes]
) -> None:
    recipe, killed = longer("killed"), dict[str, bool]()

    def kill() -> None:
        for task in ("BuildTask", "PriceTask"):
            killed[task] = cluster.kill_one_at(task)

    killer = threading.Thread(target=kill)
    killer.start()
    process = begun(recipe, cluster)
    _, told = process.communicate(timeout=240)
    killer.join()
    assert process.returncode == 0, told
    assert killed == {"BuildTask": True, "PriceTask": True}
    assert written(recipe) == expected


def test_the_same_command_goes_on_after_the_head_was_lost(
    cluster: Cluster, longer: Callable[[str], Path], expected: dict[str, bytes]
) -> None:
    recipe = longer("headless")
    process = begun(recipe, cluster)
    while counted(recipe, "sub_block_built") < 2:
        assert process.poll() is None, process.stderr
        time.sleep(0.02)
    cluster.kill()
    process.communicate(timeout=120)
    built = counted(recipe, "sub_block_built")
    assert process.returncode != 0 and built < 8
    cluster.start()
    again = begun(recipe, cluster)
    _, told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    assert counted(recipe, "sub_block_built") <= 8, "what was built is not built again"
    assert written(recipe) == expected
