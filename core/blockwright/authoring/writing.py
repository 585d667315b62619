"""Writes a whole plugin package from the templates beside this file: code, test, pyproject and README."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blockwright.errors import UserError, did_you_mean
from blockwright.files import write_directory_atomically

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Kind:
    """What can be written. `extra`: files of this kind beside the code, from a template each, by their names."""

    word: str
    what: str
    hook: str
    contract: str = ""
    extra: Mapping[str, str] | None = None


KINDS: Mapping[str, Kind] = {
    one.word: one
    for one in (
        Kind("variant", "a block variant", "register_block_variants", "variants", {"module.py": "variant_module.py"}),
        Kind("family", "a model family", "register_model_families", "families"),
        Kind("scorer", "a scorer", "register_scorers", "scorers"),
        Kind("cost-model", "a cost model", "register_cost_models", "cost_models"),
        Kind("solver", "a solver", "register_solvers", "solvers"),
        Kind("transform", "a transform", "register_transforms", "transforms"),
        Kind("stage", "a stage", "register_stages", "stages"),
        Kind("reward", "a reward", "register_rewards", "rewards"),
        Kind("exporter", "an exporter", "register_exporters", "exporters"),
        Kind("engine", "an engine", "register_engines", "engines"),
        Kind("executor", "an executor", "register_executors", "executors"),
        Kind(
            "resources",
            "a search space and a hardware profile",
            "register_resources",
            "resources",
            {"searchspaces/{name}.yaml": "space.yaml", "hardware/{name}.yaml": "hardware.yaml"},
        ),
        Kind("observer", "an observer", "observe"),
    )
}


def write_plugin(name: str, kind: str, folder: Path) -> Sequence[Path]:
    """A package called `name` in a new `folder`; its files. UserError for names that are none and a folder that is."""
    if kind not in KINDS:
        raise UserError(f"--kind: no kind of plugin is called '{kind}'{did_you_mean(kind, KINDS)}")
    if not NAME.fullmatch(name):
        raise UserError(f"'{name}' cannot name a package; write small letters, digits and hyphens, like my-{kind}")
    if folder.exists():
        raise UserError(f"{folder}: is there already; choose another name, or a folder with --out")
    texts = rendered(name, KINDS[kind])
    with write_directory_atomically(folder) as beside:
        for path, text in texts.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text)
    return [folder / path for path in texts]


def rendered(name: str, kind: Kind) -> Mapping[str, str]:
    """The texts of all files by their paths in the package."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    module = name.replace("-", "_")
    if module == "blockwright" or module.startswith("blockwright_plugins"):
        raise UserError(f"'{name}' is Blockwright's own name; choose another")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    values = {
        "name": name,
        "module": module,
        "part": module if kind.word == "variant" else name,
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "kind": kind,
        "version": _blockwright(),
        "contract": f"{kind.word.replace('-', '_').upper()}_CONTRACT",
    }
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{module}/__init__.py": f"{kind.word}.py",
        f"tests/test_{module}.py": f"test_{kind.word}.py",
        **{f"src/{module}/{path.format(name=name)}": template for path, template in (kind.extra or {}).items()},
    }
    return {path: environment.get_template(f"{one}.jinja").render(values) for path, one in sources.items()}


def _blockwright() -> str:
    """The first two numbers of this Blockwright's version, which the package asks for at least."""
    from blockwright.running.versions import version_of

    return ".".join((version_of("blockwright") or "0.1").split(".")[:2])
