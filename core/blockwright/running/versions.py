"""Versions of what a run computed with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("blockwright", "torch", "transformers", "safetensors", "numpy", "highspy", "gguf", "pydantic", "omegaconf")


def version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def installed_versions() -> dict[str, str]:
    """By package, with Python and the machine; packages that are not installed are left out."""
    found = {package: version_of(package) for package in _PACKAGES}
    machine = {"python": platform.python_version(), "system": platform.platform(), "processor": platform.machine()}
    return {**{package: number for package, number in found.items() if number}, **machine}
