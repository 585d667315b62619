"""Hostile files, by kind and by what is wrong with them. Each entry makes one from a good file's text."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

Text = Callable[[str], str | bytes]
Config = Callable[[dict[str, Any]], object]
DEEP = 100_000


def _with(old: str, new: str) -> Text:
    def change(text: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    return change


def _named(name: str) -> Text:
    return _with("name: tiny", f"name: {name}")


def _space(written: str) -> Text:
    return lambda text: f"{text.partition('space:')[0]}space: {written}\ntext:{text.partition(chr(10) + 'text:')[2]}"


def _whole(content: str | bytes) -> Text:
    return lambda text: content


def _and(more: str) -> Text:
    return lambda text: f"{text}{more}\n"


def _bomb(levels: int) -> str:
    rows = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [lol]", *rows])


def _doubling(levels: int) -> str:
    rows = [f"  k{level}: {{weight: 1, source: '{f'${{x.k{level - 1}.source}}' * 10}'}}" for level in range(1, levels)]
    return "\n".join(["x:", "  k0: {weight: 1, source: aaaaaaaaaa}", *rows])


RECIPES: Mapping[str, Text] = {
    "nothing": _whole(""),
    "a list": _whole("- a\n- b\n"),
    "a word": _whole("recipe"),
    "a number": _whole("7"),
    "binary": _whole(bytes(range(256))),
    "UTF-16": lambda text: text.encode("utf-16"),
    "zero bytes": _whole(b"\0" * 1000),
    "cut within a flow": _whole("name: x\nparent: {model: [\n"),
    "tabs for spaces": lambda text: text.replace("  ", "\t"),
    "a billion laughs": _whole(_bomb(12)),
    "aliases in a good recipe": _and(_bomb(9)),
    "an alias inside itself": _whole("a: &a [*a]"),
    "a merge of itself": _whole("a: &a\n  <<: *a\n"),
    "nested lists without end": _whole("[" * DEEP),
    "nested mappings without end": _whole("{a: " * DEEP),
    "nested blocks": _whole("\n".join(" " * level + "a:" for level in range(2000))),
    "a megabyte": lambda text: text + "# " + "x" * 2**20,
    "many megabytes": lambda text: text + "#" * 2**24,
    "a hundred thousand keys": _whole("\n".join(f"k{key}: 1" for key in range(100_000))),
    "a key twice": _and("name: other"),
    "a Python object": _with("name: tiny", "name: !!python/object/apply:os.system ['touch harmed']"),
    "a Python name": _with("name: tiny", "name: !!python/name:os.system"),
    "an unknown tag": _with("name: tiny", "name: !evil x"),
    "a date that is none": _with("name: tiny", "name: 2024-99-99"),
    "a number of 5,000 digits": _with("rounds: 1", f"rounds: {'9' * 5000}"),
    "not a number": _with("rounds: 1", "rounds: .nan"),
    "an infinite number": _with("rounds: 1", "rounds: .inf"),
    "a share of nothing": _with("params: 90%", "params: -90%"),
    "a share of 10^400": _with("params: 90%", f"params: {'9' * 400}%"),
    "a name that climbs": _named("../../etc"),
    "a name that is a path": _named("a/b"),
    "an absolute name": _named("/etc"),
    "a name of dots": _named("'..'"),
    "a hidden name": _named(".ssh"),
    "a name with a zero byte": _named('"a\\0b"'),
    "a name with a line in it": _named('"a\\nb"'),
    "a name for the terminal": _named('"\\e]0;gone\\a"'),
    "a name of 10,000 letters": _named("a" * 10_000),
    "a name that is a mapping": _named("{a: b}"),
    "a name of markup": _named("'<script>alert(1)</script>'"),
    "runs with a zero byte": lambda text: text + 'seed: 1\nstages2: "\\0"\n',
    "an interpolation in a circle": _with("name: tiny", "name: ${seed}\nseed: ${name}"),
    "an interpolation of itself": _named("${name}"),
    "an interpolation of nothing": _named("${no.such.key}"),
    "an interpolation that is open": _named("'${name'"),
    "interpolations in interpolations": _named("'${${runs}}'"),
    "a resolver that reads": _named("'${oc.decode:1}'"),
    "a resolver that makes": _named("'${oc.create:{a: b}}'"),
    "an unknown resolver": _named("'${os.system:id}'"),
    "interpolations that multiply": _and(_doubling(12)),
    "a parent with a zero byte": _with("  model: ", '  model: "/\\0"\n  revision: '),
    "a parent that is a list": _with("  model: ", "  model: [1, 2]\n  x: "),
    "a parent nowhere": _with("  model: ", "  model: /proc/self/nowhere"),
    "a parent in a device": _with("  model: ", "  model: /dev/zero\n  revision: "),
    "a package that climbs": _with("  model: ", "  model: package:../../x\n  revision: "),
    "a package without a name": _with("  model: ", "  model: 'package:'\n  revision: "),
    "remote code": _with("  model: ", "  trust_remote_code: true\n  model: "),
    "a space that climbs": _space("../../../etc/passwd"),
    "a space in a device": _space("/dev/zero"),
    "hardware that climbs": _and("hardware: ../../../etc/passwd"),
    "hardware in a device": _and("hardware: /dev/zero"),
    "hardware that is a list": _and("hardware: [1]"),
    "a reward of Python's own": _with("  - refit", "  - grpo: {rewards: ['os:system']}"),
    "a solver of another's": _and("solver: {name: ../../x}"),
    "a solver with a class": _and("solver: {name: highs, __class__: 1}"),
    "a stage of no text": _with("  - refit", "  - {1: 2}"),
    "stages without end": _with("  - refit", "  - [[[[[]]]]]"),
    "a batch of 10^30": _and("scenario: {batch: 1000000000000000000000000000000}"),
    "scenarios that climb": _and("scenarios: {'../x': {batch: 1}}"),
    "layers without end": _with("  variants:", "  except: [{layers: 0-999999999999, forbid: skip}]\n  variants:"),
    "a width of 10^30": _with("{narrow: 50%}", "{narrow: 1000000000000000000000000000000}"),
    "a width of no number": _with("{narrow: 50%}", "{narrow: [[]]}"),
    "a text that is no text": _with("scoring_tokens: 256", "scoring_tokens: {a: b}"),
    "a negative seed": _and("seed: -1"),
}  # fmt: skip

OVERRIDES: Mapping[str, str] = {
    "a bomb": "budget.params=[&a [x,x,x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], "
    + ", ".join(f"&{new} [{','.join([f'*{old}'] * 10)}]" for old, new in zip("bcdefg", "cdefgh", strict=True))
    + "]",
    "nesting": "budget.params=" + "[" * 10_000,
    "a Python object": "name=!!python/object/apply:os.system ['touch harmed']",
    "a climbing name": "name=../../x",
    "a dunder": "__class__=1",
    "no key": "=1",
    "dots": "....=1",
    "an item far out": "stages.999999999999=refit",
    "an item of a word": "name.0.1.2=x",
    "a zero byte": 'name="a\\0"',
    "a circle": "name=${name}",
    "a mapping for all": "budget={}",
}


def _set(**values: object) -> Config:
    return lambda config: {**config, **values}


CONFIGS: Mapping[str, Config] = {
    "10^9 layers": _set(num_hidden_layers=10**9),
    "10^30 layers": _set(num_hidden_layers=10**30),
    "no layers": _set(num_hidden_layers=0),
    "fewer layers than weights ask": _set(num_hidden_layers=5),
    "minus one layer": _set(num_hidden_layers=-1),
    "half a layer": _set(num_hidden_layers=0.5),
    "layers as a word": _set(num_hidden_layers="4"),
    "layers as truth": _set(num_hidden_layers=True),
    "10^12 wide": _set(hidden_size=10**12),
    "a hidden size of nothing": _set(hidden_size=0),
    "a hidden size of null": _set(hidden_size=None),
    "another hidden size": _set(hidden_size=64),
    "another width": _set(intermediate_size=49),
    "a width of a list": _set(intermediate_size=[1]),
    "another vocabulary": _set(vocab_size=65),
    "10^10 words": _set(vocab_size=10**10),
    "no heads": _set(num_attention_heads=0),
    "heads that do not divide": _set(num_attention_heads=5, head_dim=None),
    "more KV heads than heads": _set(num_key_value_heads=8),
    "KV heads that do not divide": _set(num_key_value_heads=3),
    "heads of 10^9": _set(head_dim=10**9),
    "an odd head": _set(head_dim=7),
    "an unknown type": _set(model_type="evil"),
    "a type that is a list": _set(model_type=["llama"]),
    "a type for the terminal": _set(model_type="\x1b[31mllama"),
    "a type of another family": _set(model_type="gpt2"),
    "an activation that is none": _set(hidden_act="os.system"),
    "an activation of a number": _set(hidden_act=7),
    "a rope that is none": _set(rope_parameters={"rope_type": "evil"}),
    "a rope that is a list": _set(rope_parameters=[1, 2]),
    "a rope of zero": _set(rope_parameters={"rope_type": "default", "rope_theta": "no"}),
    "a norm of a word": _set(rms_norm_eps="tiny"),
    "tied by a word": _set(tie_word_embeddings={"a": 1}),
    "positions of 10^18": _set(max_position_embeddings=10**18),
    "layers unlike each other": _set(per_layer_config={"0": {"skip": ["mlp"]}}),
    "code of its own": lambda config: {
        **config, "model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"},
    },
    "a list": lambda config: [config],
    "null": lambda config: None,
    "a string": lambda config: "llama",
    "nested without end": lambda config: b"[" * DEEP,
    "no JSON": lambda config: b"{",
    "binary": lambda config: bytes(range(256)),
    "a number of 5,000 digits": lambda config: b'{"model_type": "llama", "hidden_size": ' + b"9" * 5000 + b"}",
    "40 megabytes": lambda config: json.dumps(config).encode() + b" " * 40 * 2**20,
}  # fmt: skip


def header(entries: object, data: bytes = b"") -> bytes:
    """A safetensors file with that header, true or not."""
    encoded = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def _one(**entry: object) -> bytes:
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}
    return header({"model.norm.weight": tensor}, bytes(8))


WEIGHTS: Mapping[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"\0" * 7,
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of 10^12 bytes": struct.pack("<Q", 10**12) + b"{}",
    "a header that is cut": struct.pack("<Q", 1000) + b"{",
    "a header that is no JSON": header(b"{{{{"),
    "a header that is a list": header([]),
    "a header nested without end": header(b'{"a":' + b"[" * DEEP),
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch harmed'\ntR.",
    "a zip": b"PK\3\4" + bytes(100),
    "data that is not there": _one(shape=[1000], data_offsets=[0, 4000]),
    "10^15 bytes of data": _one(shape=[10**15 // 4], data_offsets=[0, 10**15]),
    "a size unlike its data": _one(shape=[3]),
    "a size that overflows": _one(shape=[2**62, 2**62]),
    "offsets from behind": _one(data_offsets=[8, 0]),
    "offsets below zero": _one(data_offsets=[-8, 0]),
    "offsets with a gap": _one(data_offsets=[4, 12]),
    "two in one place": header(
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in ("a", "b")}, bytes(8)
    ),
    "an unknown precision": _one(dtype="F1"),
    "one tensor alone": _one(),
}

PROFILE = """\
name: mine
memory_gib: 8
bandwidth_gb_s: 100
peak_tflops: {bf16: 10, fp32: 5}
tables: measured
"""
PROFILES: Mapping[str, Text] = {
    "nothing": _whole(""),
    "a list": _whole("- 1"),
    "binary": _whole(bytes(range(256))),
    "a billion laughs": _whole(_bomb(12)),
    "tables that climb": _with("tables: measured", "tables: ../../etc"),
    "tables at the root": _with("tables: measured", "tables: /etc"),
    "tables above": _with("tables: measured", "tables: '..'"),
    "tables with a zero byte": _with("tables: measured", 'tables: "a\\0"'),
    "tables that are not there": _with("tables: measured", "tables: none"),
    "a name that climbs": _with("name: mine", "name: ../mine"),
    "a name of markup": _with("name: mine", "name: <script>"),
    "no memory": _with("memory_gib: 8", "memory_gib: 0"),
    "memory of nan": _with("memory_gib: 8", "memory_gib: .nan"),
    "memory without end": _with("memory_gib: 8", "memory_gib: .inf"),
    "a bandwidth of a word": _with("bandwidth_gb_s: 100", "bandwidth_gb_s: fast"),
    "unknown precisions": _with("{bf16: 10, fp32: 5}", "{int1: 10}"),
    "negative peaks": _with("{bf16: 10, fp32: 5}", "{bf16: -10}"),
    "peaks that are a list": _with("{bf16: 10, fp32: 5}", "[1]"),
    "an efficiency of nonsense": _and("efficiency: {gemm: {bf16: {a: b}}}"),
    "times in the file": _and("timings: {a: 1}"),
    "an unknown key": _and("__init__: 1"),
}

PARTS = "part,precision,phase,sequences,tokens,kv_tokens,latency_ms"
GEMM = "precision,m,n,k,latency_us\nbf16,1,1024,1024,5\nbf16,16,1024,1024,9\n"
TABLES: Mapping[str, tuple[str, Text]] = {
    "nothing": ("gemm.csv", _whole("")),
    "binary": ("gemm.csv", _whole(bytes(range(256)) * 10)),
    "only names": ("gemm.csv", _whole("precision,m,n,k,latency_us\n")),
    "a column less": ("gemm.csv", lambda text: text.replace("m,n,k", "m,n,q")),
    "no unit": ("gemm.csv", lambda text: text.replace("latency_us", "latency")),
    "negative times": ("gemm.csv", lambda text: text.replace(",9\n", ",-9\n")),
    "times of nan": ("gemm.csv", lambda text: text.replace(",9\n", ",nan\n")),
    "times without end": ("gemm.csv", lambda text: text.replace(",9\n", ",inf\n")),
    "words for times": ("gemm.csv", lambda text: text.replace(",9\n", ",soon\n")),
    "half a size": ("gemm.csv", lambda text: text.replace("16,", "16.5,")),
    "a precision of markup": ("gemm.csv", lambda text: text.replace("bf16,16", "<script>,16")),
    "ragged rows": ("gemm.csv", lambda text: text + "bf16,1\n"),
    "a quote that is open": ("gemm.csv", lambda text: text + '"' + "x" * 10_000),
    "several operations": ("gemm.csv", lambda text: text.replace("latency_us", "operation").replace("9\n", "x\n")),
    "no parquet": ("gemm.parquet", _whole(b"PAR1" + bytes(100) + b"PAR1")),
    "a parquet that is cut": ("gemm.parquet", _whole(b"PAR1\x15\x04")),
    "70 megabytes": ("gemm.csv", lambda text: text + "bf16,1,1024,1024,5\n" * 4_000_000),
    "parts of words": ("parts.csv", _whole(f"{PARTS}\na,b,c,d,e,f,g\n")),
    "parts that are binary": ("parts.csv", _whole(bytes(range(256)))),
    "a field of 200 kB": ("parts.csv", _whole("part,precision\n" + '"' + "x" * 200_000 + '",b\n')),
}  # fmt: skip
