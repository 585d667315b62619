"""Hardware profiles: the bundled ones are whole, mistakes have their lines, and a saved one is read the same."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import ValidationError

from blockwright.errors import UserError
from blockwright.hardware.efficiency import DEFAULT
from blockwright.hardware.files import profile_files
from blockwright.hardware.operations import AllReduce, Gemm, GenerationAttention
from blockwright.hardware.profile import HardwareProfile

FOLDER = Path(str(files("blockwright_hardware")))
PRECISIONS = {
    "a100-sxm": ["bf16"],
    "b200-sxm": ["bf16", "fp8"],
    "h100-sxm": ["bf16", "fp8"],
    "h100-sxm-trtllm": ["bf16", "fp8"],
    "h200-sxm": ["bf16", "fp8"],
    "l40s": ["bf16", "fp8"],
}
MEASURED = {"gemm", "context_attention", "generation_attention", "all_reduce"}
PROFILE = """\
name: mine
memory_gib: 10
bandwidth_gb_s: 500
peak_tflops:
  bf16: 100
efficiency:
  gemm:
    bf16: {fixed_us: 4, compute: 0.5}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """The profile as a file, with a piece of its text replaced."""

    def replaced(old: str = "", new: str = "") -> Path:
        assert old in PROFILE
        file = tmp_path / "mine.yaml"
        file.write_text(PROFILE.replace(old, new, 1) if old else PROFILE + new)
        return file

    return replaced


def told(file: Path) -> list[str]:
    """The lines of the mistake, without the folder."""
    with pytest.raises(UserError) as caught:
        HardwareProfile.read(file)
    return [line.replace(f"{file.parent}/", "") for line in caught.value.lines]


def test_these_profiles_are_bundled() -> None:
    assert sorted(profile_files()) == sorted(PRECISIONS)


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_bundled_profile_has_measured_tables_and_a_fit_of_each(name: str) -> None:
    profile = HardwareProfile.load(name)
    assert profile.name == name
    assert list(profile.peak_tflops) == PRECISIONS[name]
    assert {table.kind for table in profile.tables.all} == MEASURED
    products = {table.variety for table in profile.tables.all if table.kind == "gemm"}
    assert products == {(precision,) for precision in PRECISIONS[name]}
    for table in profile.tables.all:
        assert profile.efficiency[table.kind][str(table.variety[0])] != DEFAULT
        assert profile.table_of(table.operation(0)) is table


@pytest.mark.parametrize("name", PRECISIONS)
def test_a_saved_bundled_profile_is_read_the_same(name: str, tmp_path: Path) -> None:
    profile = HardwareProfile.load(name)
    profile.save(tmp_path / f"{name}.yaml")
    again = HardwareProfile.load(tmp_path / f"{name}.yaml")
    assert again.fingerprint == profile.fingerprint
    assert again.source == profile.source
    assert again.model_copy(update={"tables": profile.tables}) == profile


def test_all_profiles_together_are_small_and_say_whose_they_are() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 6_000_000
    assert "Apache License" in (FOLDER / "LICENSE-APACHE-2.0.txt").read_text()
    for name in PRECISIONS:
        source = HardwareProfile.load(name).source
        assert "aiconfigurator" in source
        assert "Apache-2.0" in source
        assert "changed:" in source


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(UserError) as caught:
        HardwareProfile.load("h10-sxm")
    assert str(caught.value) == "no hardware profile is called 'h10-sxm', did you mean 'h100-sxm'?"


def test_a_name_like_none_is_told_what_there_is() -> None:
    with pytest.raises(UserError, match=r"no hardware profile is called 'tpu'; there is a100-sxm, b200-sxm, h100-sxm"):
        HardwareProfile.load("tpu")


def test_fp8_on_an_a100_is_refused_with_what_it_has() -> None:
    a100 = HardwareProfile.load("a100-sxm")
    with pytest.raises(UserError, match=r"^a100-sxm does not multiply in fp8; it has bf16$"):
        a100.analytic_ms(Gemm("fp8", m=1, n=1, k=1))
    cached = GenerationAttention("fp8", batch=1, heads=1, kv_heads=1, head_dim=128, kv_tokens=1)
    assert a100.analytic_ms(cached) > 0  # a cache at fp8 is multiplied in bf16


def test_fp16_is_as_fast_as_bf16() -> None:
    h100 = HardwareProfile.load("h100-sxm")
    times = [h100.analytic_ms(Gemm(precision, m=64, n=4096, k=4096)) for precision in ("fp16", "bf16")]
    assert times[0] == times[1]


def test_a_machine_without_a_link_shares_no_layers(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"mine has no link between GPUs \(link_gb_s\); use tensor_parallel: 1"):
        HardwareProfile.read(write()).analytic_ms(AllReduce("bf16", gpus=2, elements=8))


def test_a_written_efficiency_counts_and_the_default_stands_in(write: Callable[..., Path]) -> None:
    profile = HardwareProfile.read(write())
    product = Gemm("bf16", m=1, n=1, k=1)
    assert profile.efficiency_of(product).fixed_us == 4
    assert profile.efficiency_of(product).compute == 0.5
    assert profile.efficiency_of(AllReduce("bf16", gpus=2, elements=8)) == DEFAULT


def test_what_may_be_used_is_a_share_of_the_memory_less_the_engines_own(write: Callable[..., Path]) -> None:
    profile = HardwareProfile.read(write("memory_gib: 10", "memory_gib: 10\nmemory_fraction: 0.5\noverhead_gib: 1"))
    assert profile.usable_bytes == 4 * 2**30


WRONG = {
    "an unknown precision": (
        "  bf16: 100",
        "  bf16: 100\n  bf61: 100",
        ["mine.yaml:4: peak_tflops: no precision is called 'bf61', did you mean 'bf16'?"],
    ),
    "no precision": (
        "peak_tflops:\n  bf16: 100",
        "peak_tflops: {}",
        ["mine.yaml:4: peak_tflops: give at least one, like {bf16: 989}"],
    ),
    "a negative peak": (
        "  bf16: 100",
        "  bf16: -100",
        ["mine.yaml:5: peak_tflops.bf16: must be more than 0, got -100"],
    ),
    "a bandwidth of nothing": ("500", "0", ["mine.yaml:3: bandwidth_gb_s: must be more than 0, got 0"]),
    "endless memory": ("memory_gib: 10", "memory_gib: .inf", ["mine.yaml:2: memory_gib: expected a finite number"]),
    "memory in words": (
        "memory_gib: 10",
        "memory_gib: lots",
        ["mine.yaml:2: memory_gib: expected a number, got 'lots'"],
    ),
    "more than all memory": (
        "memory_gib: 10",
        "memory_gib: 10\nmemory_fraction: 1.5",
        ["mine.yaml:3: memory_fraction: must be at most 1, got 1.5"],
    ),
    "an unknown key": (
        "bandwidth_gb_s: 500",
        "bandwith_gb_s: 500",
        [
            "mine.yaml:1: bandwidth_gb_s: is missing",
            "mine.yaml:3: bandwith_gb_s: no such key, did you mean 'bandwidth_gb_s'?",
        ],
    ),
    "an unknown operation": (
        "  gemm:",
        "  gem:",
        ["mine.yaml:6: efficiency: no operation is called 'gem', did you mean 'gemm'?"],
    ),
    "an impossible efficiency": (
        "compute: 0.5",
        "compute: 0",
        ["mine.yaml:8: efficiency.gemm.bf16.compute: must be more than 0, got 0"],
    ),
    "an unknown key of an efficiency": (
        "compute: 0.5",
        "computes: 0.5",
        ["mine.yaml:8: efficiency.gemm.bf16.computes: no such key, did you mean 'compute'?"],
    ),
    "a name that is no files": ("name: mine", "name: my/own", ["mine.yaml:1: name: expected text that matches"]),
    "a missing table folder": (
        "memory_gib: 10",
        "memory_gib: 10\ntables: measured",
        ["mine.yaml:3: tables: there is no folder measured"],
    ),
    "a table folder elsewhere": (
        "memory_gib: 10",
        "memory_gib: 10\ntables: ../measured",
        ["mine.yaml:3: tables: expected the name of a folder beside the file"],
    ),
    "a table folder above": (
        "memory_gib: 10",
        "memory_gib: 10\ntables: ..",
        ["mine.yaml:3: tables: expected the name of a folder beside the file"],
    ),
    "no YAML": ("name: mine", "name: [mine", ["mine.yaml:2: is no YAML"]),
    "a key twice": ("memory_gib: 10", "name: twice", ["mine.yaml:2: the key 'name' is written twice"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line_with_file_and_line(write: Callable[..., Path], case: str) -> None:
    old, new, expected = WRONG[case]
    lines = told(write(old, new))
    assert len(lines) == len(expected), lines
    for line, wanted in zip(lines, expected, strict=True):
        assert line.startswith(wanted)


def test_all_mistakes_are_told_at_once(write: Callable[..., Path]) -> None:
    write()
    file = write("memory_gib: 10\nbandwidth_gb_s: 500", "memory_gib: -1\nbandwidth_gb_s: fast")
    assert [line.split(": ")[1] for line in told(file)] == ["memory_gib", "bandwidth_gb_s"]


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "h100\n"])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert told(tmp_path / "mine.yaml") == ["mine.yaml:1: a hardware profile is a mapping of keys (`name: …`)"]


def test_a_wrong_table_in_the_folder_is_told(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "gemm.csv").write_text("precision,m,n\nbf16,1,1\n")
    lines = told(write("memory_gib: 10", "memory_gib: 10\ntables: measured"))
    assert [line.partition(": ")[0] for line in lines] == ["measured/gemm.csv"] * 2


def test_a_profile_is_frozen() -> None:
    profile = HardwareProfile.load("a100-sxm")
    with pytest.raises(ValidationError, match="frozen"):
        profile.memory_gib = 160.0  # type: ignore[misc]


@pytest.mark.parametrize("change", ["memory_gib: 11", "memory_gib: 10\nstep_overhead_us: 1"])
def test_another_machine_has_another_fingerprint(write: Callable[..., Path], change: str) -> None:
    one = HardwareProfile.read(write())
    assert HardwareProfile.read(write()).fingerprint == one.fingerprint
    assert HardwareProfile.read(write("memory_gib: 10", change)).fingerprint != one.fingerprint


def test_another_measured_time_gives_another_fingerprint(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "measured").mkdir()
    file = write("memory_gib: 10", "memory_gib: 10\ntables: measured")
    found = set()
    for latency in (1, 1.001):
        (tmp_path / "measured" / "gemm.csv").write_text(f"precision,m,n,k,latency_ms\nbf16,1,1,1,{latency}\n")
        found.add(HardwareProfile.read(file).fingerprint)
    assert len(found) == 2
