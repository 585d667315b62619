"""Makes the bundled hardware profiles from NVIDIA's measured tables (aiconfigurator-core, Apache-2.0).

    python tools/make_hardware_profiles.py FOLDER

FOLDER holds SYSTEM.yaml (datasheet peaks and empirical constants) and SYSTEM/BACKEND-TABLE.parquet, with the columns
that aiconfigurator has. Kept are the precisions bf16 and fp8; of matrix products those of m up to 16 or a multiple
of 16, since a few kernels are up to 1.6 times slower between; of attention those with all of the prompt new and
multiplication in bf16. Latencies are not altered. Efficiencies are fitted to the tables that are kept.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as parquet
import yaml

from blockwright.hardware.calibration import calibrated_on
from blockwright.hardware.efficiency import Efficiency
from blockwright.hardware.operations import KINDS
from blockwright.hardware.profile import HardwareProfile
from blockwright.hardware.tables import Table
from blockwright.precision import Precision

OUT = Path(__file__).parents[1] / "hardware_profiles" / "blockwright_hardware"
PRECISIONS: Mapping[str, Precision] = {"bfloat16": "bf16", "fp8": "fp8"}
LARGEST_CUSTOM_ALL_REDUCE = 8 * 2**20 // 2  # elements: beyond 8 MiB, engines leave their own kernel for NCCL's


class Bundled(NamedTuple):
    """A profile to make: its name, the system's and the backend's in the source, and words for people."""

    name: str
    system: str
    backend: str
    title: str


BUNDLED = (
    Bundled("h100-sxm", "h100_sxm", "vllm", "NVIDIA H100 SXM 80 GB, kernels of vLLM"),
    Bundled("h100-sxm-trtllm", "h100_sxm", "trtllm", "NVIDIA H100 SXM 80 GB, kernels of TensorRT-LLM"),
    Bundled("h200-sxm", "h200_sxm", "vllm", "NVIDIA H200 SXM 141 GB, kernels of vLLM"),
    Bundled("a100-sxm", "a100_sxm", "vllm", "NVIDIA A100 SXM 80 GB, kernels of vLLM"),
    Bundled("b200-sxm", "b200_sxm", "vllm", "NVIDIA B200 SXM 180 GB, kernels of vLLM"),
    Bundled("l40s", "l40s", "vllm", "NVIDIA L40S 48 GB, kernels of vLLM"),
)


def main(folder: Path) -> None:
    for bundled in BUNDLED:
        shutil.rmtree(OUT / bundled.name, ignore_errors=True)
        profile = calibrated_on(_datasheet(folder, bundled), _tables(folder, bundled))
        profile.save(OUT / f"{bundled.name}.yaml")
        rows = sum(len(table.latency_ms) for table in profile.tables.all)
        size = sum(file.stat().st_size for file in (OUT / bundled.name).iterdir())
        print(f"{bundled.name}: {rows:,} rows, {size / 1e6:.2f} MB")


def _datasheet(folder: Path, bundled: Bundled) -> HardwareProfile:
    """Peaks as the source has them; the elementwise constants are the source's own empirical ones."""
    system = yaml.safe_load((folder / f"{bundled.system}.yaml").read_text())
    gpu, node, misc = system["gpu"], system["node"], system["misc"]
    peaks = {"bf16": gpu["bfloat16_tc_flops"] / 1e12}
    peaks |= {"fp8": gpu["fp8_tc_flops"] / 1e12} if "fp8_tc_flops" in gpu else {}
    elementwise = Efficiency(
        fixed_us=gpu["mem_empirical_constant_latency"] * 1e6, bandwidth=gpu["mem_bw_empirical_scaling_factor"]
    )
    return HardwareProfile(
        name=bundled.name,
        description=bundled.title,
        memory_gib=gpu["mem_capacity"] / 2**30,
        bandwidth_gb_s=gpu["mem_bw"] / 1e9,
        peak_tflops=peaks,
        link_gb_s=node["intra_node_bw"] / 1e9,
        link_latency_us=node["p2p_latency"] * 1e6,
        overhead_gib=misc["other_mem"] / 2**30,
        efficiency={"elementwise": {"bf16": elementwise}},
        source=_source(folder, bundled),
    )


def _source(folder: Path, bundled: Bundled) -> str:
    metadata = parquet.read_schema(_file(folder, bundled, "gemm")).metadata
    origin = metadata[b"origin"].decode().split(" ")
    version = yaml.safe_load(metadata[b"constants"].decode())["version"]
    return (
        f"NVIDIA {' '.join(origin[:2])} (https://github.com/ai-dynamo/aiconfigurator), {bundled.backend} {version}; "
        "Copyright (c) 2025-2026 NVIDIA CORPORATION & AFFILIATES, Apache-2.0; changed: columns renamed, rows selected "
        "(tools/make_hardware_profiles.py), efficiencies fitted here"
    )


def _file(folder: Path, bundled: Bundled, table: str) -> Path:
    return folder / bundled.system / f"{bundled.backend}-{table}.parquet"


def _tables(folder: Path, bundled: Bundled) -> list[Table]:
    gemm = pd.read_parquet(_file(folder, bundled, "gemm"))
    gemm = gemm[(gemm.m <= 16) | (gemm.m % 16 == 0)].rename(columns={"gemm_dtype": "precision"})
    names = {
        "batch_size": "batch",
        "num_heads": "heads",
        "num_key_value_heads": "kv_heads",
        "kv_cache_dtype": "precision",
    }
    context = pd.read_parquet(_file(folder, bundled, "context_attention"))
    context = context[context.attn_dtype == "bfloat16"].rename(columns={**names, "isl": "tokens"})
    generation = pd.read_parquet(_file(folder, bundled, "generation_attention"))
    generation = generation[generation.attn_dtype == "bfloat16"].rename(columns=names)
    generation["kv_tokens"] = generation.step + 1
    frames = {
        "gemm": gemm,
        "context_attention": context,
        "generation_attention": generation,
        "all_reduce": _all_reduce(folder, bundled),
    }
    return [table for kind, frame in frames.items() for table in _as_tables(kind, frame)]


def _all_reduce(folder: Path, bundled: Bundled) -> pd.DataFrame:
    """The engine's own kernel, replayed in a CUDA graph, up to 8 MiB; NCCL's beyond."""
    own = pd.read_parquet(_file(folder, bundled, "custom_allreduce"))
    own = own[own.backend == "vllm_graph"] if "backend" in own else own
    nccl = pd.read_parquet(folder / bundled.system / "nccl-nccl.parquet")
    nccl = nccl[(nccl.op_name == "all_reduce") & (nccl.nccl_dtype == "half")]
    chosen = [own[own.message_size <= LARGEST_CUSTOM_ALL_REDUCE], nccl[nccl.message_size > LARGEST_CUSTOM_ALL_REDUCE]]
    frame = pd.concat(chosen).rename(columns={"num_gpus": "gpus", "message_size": "elements"})
    return frame.assign(precision="bfloat16")


def _as_tables(kind: str, frame: pd.DataFrame) -> list[Table]:
    """Rows that were measured twice become their mean."""
    operation = KINDS[kind]
    frame = frame[frame.precision.isin(list(PRECISIONS))].assign(precision=frame.precision.astype(str))
    keys = [*operation.varies_by, *operation.sized_by]
    frame = frame.groupby(keys, as_index=False).latency.mean().sort_values(keys)
    return [
        Table(
            kind,
            tuple(PRECISIONS[value] if isinstance(value, str) else int(value) for value in variety),
            rows[list(operation.sized_by)].to_numpy(np.float64),
            rows.latency.to_numpy(np.float32).astype(np.float64),  # half the bytes, more digits than were measured
        )
        for variety, rows in frame.groupby(list(operation.varies_by))
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
