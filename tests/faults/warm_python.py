"""A Python that has imported everything: for each line of its input it starts a process of `python -m blockwright`.

A line is JSON: `arguments`, `output` (a file), and what the process is to suffer: `file_bytes` (RLIMIT_FSIZE),
`memory_bytes` (RLIMIT_AS, beyond what it has at its start), `user` (a uid to become). It answers with the process id,
and to `{"wait": pid}` with how the process ended: its exit code, or the negative number of its signal. Forking saves
the seconds that imports take.
"""

import importlib
import json
import os
import resource
import runpy
import signal
import sys
from pathlib import Path

IMPORTS = (
    "blockwright.cli", "blockwright.api", "blockwright.running.pipeline", "blockwright.training.distillation",
    "transformers.models.llama.modeling_llama", "trl.trainer.sft_trainer", "reasoning_gym", "datasets", "highspy",
    "plotly.graph_objects", "torch.distributed.checkpoint.state_dict_loader", "concurrent.futures.process",
)  # fmt: skip


def become(order):
    """The forked process: its limits, its output, then the command line."""
    with Path(order["output"]).open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "user" in order:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    if "file_bytes" in order:
        limit(resource.RLIMIT_FSIZE, order["file_bytes"])
    if "memory_bytes" in order:
        limit(resource.RLIMIT_AS, taken_bytes() + order["memory_bytes"])
    sys.argv = ["blockwright", *order["arguments"]]
    runpy.run_module("blockwright", run_name="__main__")


def limit(what, amount):
    resource.setrlimit(what, (amount, amount))


def taken_bytes():
    """Of address space, by this process now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def answer(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in IMPORTS:
        importlib.import_module(name)
    answer("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            answer(os.waitstatus_to_exitcode(status))
            continue
        started = os.fork()
        if not started:
            become(order)
            return
        answer(started)


if __name__ == "__main__":
    main()
