"""The launcher configurations that come with Blockwright."""

from __future__ import annotations

from pathlib import Path

CONFIGURATIONS = Path(__file__).with_name("accelerate_configs")


def with_configurations(launcher: str) -> str:
    """`{fsdp2}` and the like in a launcher's words are paths of files that ship."""
    for file in sorted(CONFIGURATIONS.glob("*.yaml")):
        launcher = launcher.replace(f"{{{file.stem}}}", str(file))
    return launcher
