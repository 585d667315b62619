"""From `plugins new` to a passing `plugins check`, for every kind: seconds of each command, and files edited between.

Prints a Markdown table. Each command is a process of its own, as a plugin's author types it; packages are installed
without a network into a folder that is thrown away. Ends with 1 where a command fails.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from blockwright.authoring.writing import KINDS

PIP = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
BLOCKWRIGHT = ["-c", "import sys; from blockwright.cli import main; sys.argv[0] = 'blockwright'; main()"]
TEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]


def seconds_of(arguments: list[str], folder: Path) -> float:
    """How long Python takes with these arguments; ends the benchmark where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def digests(folder: Path) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def row_of(kind: str) -> list[str]:
    """Seconds of `new`, install, own test, `check` and all of them, and how many written files were changed."""
    name = f"my-{kind}"
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        steps = [seconds_of([*BLOCKWRIGHT, "plugins", "new", name, "--kind", kind], folder)]
        written = digests(folder / name)
        steps.append(seconds_of([*PIP, str(folder / "site"), str(folder / name)], folder))
        steps.append(seconds_of([*TEST, name], folder))
        steps.append(seconds_of([*BLOCKWRIGHT, "plugins", "check", name], folder))
        after = digests(folder / name)
    edits = sum(after.get(path) != digest for path, digest in written.items())
    return [kind, *(f"{one:.1f}" for one in (*steps, sum(steps))), str(edits)]


def main() -> None:
    print("| kind | new s | install s | own test s | check s | all s | edits |")
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        print(f"| {' | '.join(row_of(kind))} |", flush=True)


if __name__ == "__main__":
    main()
