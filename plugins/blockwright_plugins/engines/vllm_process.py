"""`vllm`: its offline engine in the environment that it is installed in, one process a model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, ClassVar

from blockwright.engines import Engine, Load, Pace
from blockwright.errors import UserError
from blockwright.precision import Precision
from blockwright_plugins.engines.finding import find_program

# No module beside the driver may be called vllm: Python looks there before it looks at what is installed.
DRIVER = Path(__file__).with_name("vllm_driver.py")
ANSWER = "blockwright-pace "  # begins the lines that are meant for us; vLLM prints others
DTYPES: Mapping[Precision, str] = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
QUIET = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
LAST_LINES = 8


class VLLMEngine(Engine):
    """Runs CUDA graphs or compiled code as `vllm serve` does; its prefix cache is off, since prompts come again."""

    name = "vllm"
    exporter = "vllm"
    precisions: ClassVar[Mapping[Precision, Sequence[str]]] = {
        name: (f"dtype={dtype}",) for name, dtype in DTYPES.items()
    }
    at_once = 2  # each is a process that holds its weights and its cache

    @property
    def device(self) -> str:
        from blockwright.models.devices import best_device

        return best_device().type

    def version(self) -> str:
        script = "from importlib.metadata import version, packages_distributions as p; print(version(p()['vllm'][0]))"
        ended = subprocess.run([self._python, "-c", script], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise UserError(f"--engine vllm: {self._python} has no vLLM; type `{self._python} -m pip install vllm`")
        return f"vLLM {ended.stdout.strip()}"

    @contextmanager
    def open(self, model: Path, load: Load) -> Iterator[Callable[[], Pace]]:
        with TemporaryFile("w+") as log:
            process = self._started(model, load, log)
            assert process.stdin is not None and process.stdout is not None
            asking, answers = process.stdin, process.stdout

            def timed() -> Pace:
                try:
                    asking.write("again\n")
                    asking.flush()
                except BrokenPipeError:
                    raise _failure(process, log) from None
                line = next((line for line in answers if line.startswith(ANSWER)), None)
                if line is None:
                    raise _failure(process, log)
                return pace_of(line, load)

            try:
                timed()  # compiles, and fills what is filled once
                yield timed
            finally:
                if _will_not_end(process):
                    process.kill()
                answers.close()

    def _started(self, model: Path, load: Load, log: IO[str]) -> subprocess.Popen[str]:
        command = [
            str(self._python),
            str(DRIVER),
            str(model),
            json.dumps(driver_settings(load, DTYPES[self.precision])),
        ]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment(self.settings.threads),
        )

    @property
    def _python(self) -> Path:
        return find_program(self.settings, self.name, "python", on_path=False)


def driver_settings(load: Load, dtype: str) -> dict[str, object]:
    """What the driver is told; all prompts of a batch fit into one step, so that decoding starts together."""
    return {
        "prefill": load.prefill,
        "decode": load.decode,
        "batches": list(load.batches),
        "engine": {
            "dtype": dtype,
            "max_model_len": load.positions + 1,
            "max_num_seqs": max(load.batches),
            "max_num_batched_tokens": max(load.batches) * load.prefill + max(load.batches),
            "enable_prefix_caching": False,
            "skip_tokenizer_init": True,
            "seed": 0,
        },
    }


def environment(threads: int) -> Mapping[str, str]:
    """On a CPU vLLM takes as many threads as OpenMP is told of, on cores that it binds itself to."""
    told = {"OMP_NUM_THREADS": str(threads), "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")}
    return {**os.environ, **QUIET, **told}


def pace_of(line: str, load: Load) -> Pace:
    """From seconds: of one prompt, and by batch of the prompts with their first token alone and with all others."""
    told = json.loads(line.removeprefix(ANSWER))
    decoding = {
        int(batch): 1e3 * (seconds["all"] - seconds["first"]) / load.decode
        for batch, seconds in told["batches"].items()
    }
    return Pace(1e3 * told["prompt"], decoding)


def _will_not_end(process: subprocess.Popen[str], seconds: float = 30) -> bool:
    """Closing its input is how it is told to go."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # what was not read by a process that has ended
        process.stdin.close()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _failure(process: subprocess.Popen[str], log: IO[str]) -> UserError:
    process.wait()
    log.seek(0)
    said = log.read().strip().splitlines()[-LAST_LINES:]
    return UserError(f"--engine vllm: its process ended with {process.returncode}", *said)
