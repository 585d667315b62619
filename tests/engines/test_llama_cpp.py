"""llama.cpp answers as torch does: its own server, the exported file, token by token."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engines.conftest import Written

ENGINES = os.environ.get("BLOCKWRIGHT_ENGINES", "")  # the folder that tools/make_engines.sh has filled
SERVER = Path(ENGINES) / "llama.cpp" / "bin" / "llama-server"
pytestmark = pytest.mark.skipif(not (ENGINES and SERVER.is_file()), reason="`make test-engines` runs real engines")
Agree = Callable[["Written", str, list[list[int]]], None]
TOKENS, KNOWS_LINEAR = 32, True
EXACT = ["-ctk", "f32", "-ctv", "f32", "-fa", "off"]  # its cache is float16 unless it is told


@contextmanager
def serving(file: Path) -> Iterator[str]:
    """A server with one model on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(SERVER),
        "-m",
        str(file),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "-c",
        "256",
        "-t",
        "1",
        "-np",
        "1",
    ]
    with (file.parent / "server.log").open("w") as log:
        process = subprocess.Popen([*command, "--no-warmup", *EXACT], stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, file.parent / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the server did not answer: {log.read_text()[-2000:]}")


def complete(server: str, prompt: list[int]) -> list[int]:
    asked = {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True, "return_tokens": True}
    body = json.dumps({**asked, "cache_prompt": False}).encode()
    request = urllib.request.Request(f"{server}/completion", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        tokens: list[int] = json.load(answer)["tokens"]
    return tokens


def test_every_token_is_torchs(name: str, children: Mapping[str, Written], agree: Agree) -> None:
    child = children[name]
    (file,) = child.exported("gguf", "precision=f32").glob("*.gguf")
    with serving(file) as server:
        agree(child, "llama.cpp", [complete(server, prompt) for prompt in child.prompts])
