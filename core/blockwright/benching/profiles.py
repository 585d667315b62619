"""What was measured in an engine, as a hardware profile that the cost model `measured` reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blockwright.benching.parts import PartTimes
from blockwright.engines import Engine, Load
from blockwright.errors import UserError
from blockwright.hardware.files import read_profile
from blockwright.hardware.profile import HardwareProfile
from blockwright.measuring.machine import HOST_OVERHEAD_GIB, memory_bytes
from blockwright.precision import BYTES

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig


def open_profile(file: Path, engine: Engine) -> HardwareProfile | None:
    """The profile that is to gain times, None where there is none yet; UserError for that of another engine."""
    if file.suffix != ".yaml":
        raise UserError(f"--save: a profile is a .yaml file; write --save {file.with_suffix('.yaml')}")
    if not file.exists():
        return None
    profile = read_profile(file)
    if profile.source != source_of(engine):
        raise UserError(
            f"--save: {file} was measured by `{profile.source or 'something else'}`; "
            f"an engine's times have a profile of their own: name another file"
        )
    return profile


def source_of(engine: Engine) -> str:
    """What makes profiles mixable: one engine with as many threads."""
    return f"blockwright bench --engine {engine.name} --threads {engine.settings.threads}"


def with_times(
    profile: HardwareProfile | None, name: str, engine: Engine, config: BlockwrightConfig, found: PartTimes, load: Load
) -> HardwareProfile:
    """The profile with these times; a new one gets the peaks that the engine's best step came to.

    `config` is the parent's, `load` the one that `found.pace` was measured under.
    """
    if profile is None:
        profile = _bare(name, engine, config, found, load)
    peaks = {engine.precision: _tflops(config, found, load), **profile.peak_tflops}
    return profile.model_copy(update={"timings": {**profile.timings, **found.timings}, "peak_tflops": peaks})


def _bare(name: str, engine: Engine, config: BlockwrightConfig, found: PartTimes, load: Load) -> HardwareProfile:
    read = _layer_parameters(config) * found.layers * BYTES[engine.precision]
    threads = f", {engine.settings.threads} threads" if engine.device == "cpu" else ""
    return HardwareProfile(
        name=name,
        description=f"{engine.version()}{threads}",
        memory_gib=memory_bytes(engine.device) / 2**30,
        bandwidth_gb_s=read / found.pace.decode_ms[load.batches[0]] / 1e6,
        peak_tflops={engine.precision: _tflops(config, found, load)},
        overhead_gib=HOST_OVERHEAD_GIB if engine.device == "cpu" else 2.0,
        source=source_of(engine),
    )


def _tflops(config: BlockwrightConfig, found: PartTimes, load: Load) -> float:
    """2 · weights · tokens over the prompt's time (Kaplan et al., arXiv 2001.08361, section 2.1)."""
    return 2 * _layer_parameters(config) * found.layers * load.prefill / found.pace.prefill_ms / 1e9


def _layer_parameters(config: BlockwrightConfig) -> int:
    from blockwright.child.checkpoint import planned_tensors

    prefix = "model.layers.0."
    return sum(one.size_bytes("float32") // 4 for one in planned_tensors(config) if one.name.startswith(prefix))
