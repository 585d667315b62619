"""`command`: any program that reads a checkpoint directory and writes one is a stage, in an environment of its own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator, model_validator

from blockwright.child.config_reading import read_child_config
from blockwright.errors import UserError, did_you_mean
from blockwright.models.configs import model_type_of
from blockwright.plugins import hookimpl
from blockwright.stages import Stage, StageContext, StageOptions, StageResult

if TYPE_CHECKING:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

PLACES = ("child", "parent", "output", "directory", "seed", "resume", "here")
LOG, FIGURES = "command.log", "figures.json"
_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")


class Copied(BaseModel):
    """An input that is copied into the command's directory, where the command may change it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    copy_of: Path = Field(alias="copy")


class CommandOptions(StageOptions):
    """What is run, on what, and what must come out.

    `command`: its words; `{child}` is the checkpoint to start from, `{output}` the folder to write the new one to,
    `{parent}` the parent's, `{directory}` an empty folder in which the command runs, `{seed}` the recipe's, `{resume}`
    a folder that stays where a run is killed, for checkpoints to go on from, `{here}` where Blockwright was started.
    `{{` is a brace. With `shell: true` the command is one text for the shell. `env`: variables to set, in which the
    same places are filled, or with null to take away. `inputs`: files and folders that must be there, by names that
    are places too (`{config}`); `{copy: FILE}` copies one into the directory. `outputs`: what `{output}` must hold in
    the end, with wildcards. `timeout`: seconds.
    """

    without_effect = frozenset({"timeout"})

    command: tuple[str, ...] | str
    shell: bool = False
    env: Mapping[str, str | int | float | None] = {}
    inputs: Mapping[str, Path | Copied] = {}
    outputs: tuple[str, ...] = ("config.json", "*.safetensors")
    timeout: PositiveFloat | None = None

    @field_validator("command", mode="before", json_schema_input_type=tuple[str | int | float, ...] | str)
    @classmethod
    def _numbers_are_words(cls, command: object) -> object:
        """`[train, --steps, 400]`, as YAML reads it."""
        if not isinstance(command, list | tuple):
            return command
        return [str(word) if isinstance(word, int | float) and not isinstance(word, bool) else word for word in command]

    @field_validator("inputs")
    @classmethod
    def _are_there(cls, inputs: Mapping[str, Path | Copied]) -> Mapping[str, Path | Copied]:
        for name, entry in inputs.items():
            if name in PLACES or not name.isidentifier():
                raise ValueError(f"'{name}' cannot name an input; take another word")
            if not _source(entry).exists():
                raise ValueError(f"{name}: there is no file or folder {_source(entry)}")
        return inputs

    @model_validator(mode="after")
    def _is_a_command(self) -> CommandOptions:
        if self.shell != isinstance(self.command, str):
            raise ValueError(
                "command: with `shell: true` write one text; without it a list of words, like [python, train.py]"
            )
        if not self.command:
            raise ValueError("command: is empty")
        known, values = (*PLACES, *self.inputs), [value for value in self.variables.values() if value]
        for match in _PLACE.finditer(" ".join([*self.words, *values])):
            if match[1] is not None and match[1] not in known:
                near = did_you_mean(match[1], known)
                raise ValueError(f"command: there is no place {match[0]}{near} (a brace itself is written {{{{)")
        if "output" not in self.places:
            raise ValueError("command: {output}, the folder that the new checkpoint is written to, does not occur")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        return ("sh", "-c", self.command) if isinstance(self.command, str) else self.command

    @property
    def places(self) -> frozenset[str]:
        """The names that occur in the command."""
        return frozenset(match[1] for match in _PLACE.finditer(" ".join(self.words)) if match[1])

    @property
    def variables(self) -> dict[str, str | None]:
        return {name: None if value is None else str(value) for name, value in self.env.items()}

    def fingerprint(self) -> object:
        """Every file of the inputs by size and time of change, so that a changed one makes the stage run again."""
        return {name: list(_states(_source(entry))) for name, entry in self.inputs.items()} or None


class CommandStage(Stage):
    """Runs the command once; what it has finished is kept, and what a kill has left is cleared but for `{resume}`."""

    name = "command"
    Options = CommandOptions
    contract_options = ({"command": ["cp", "-r", "{child}", "{output}"]},)

    def run(self, context: StageContext) -> StageResult:
        from blockwright_plugins.stages.command_process import LEADER, refuse_one_at_work

        child, work = context.directory / "child", context.directory / "work"
        if not child.exists():
            refuse_one_at_work(context.directory / LEADER)
            self._run_in(work, context)
            _made_whole(work / "output", context.child, self._options.outputs)
            (work / "output").rename(child)
        shutil.rmtree(context.directory / "resume", ignore_errors=True)
        return StageResult(child, _figures(work / FIGURES))

    @property
    def _options(self) -> CommandOptions:
        assert isinstance(self.options, CommandOptions)
        return self.options

    def _run_in(self, work: Path, context: StageContext) -> None:
        from blockwright_plugins.stages.command_process import environment, run_logged

        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        places = self._places(work, context)
        words, set_or_taken = self._filled(places), self._options.variables.items()
        variables = environment({name: value and _put_in(value, places) for name, value in set_or_taken})
        run_logged(words, work, variables, context.directory / LOG, self._options.timeout)

    def _places(self, work: Path, context: StageContext) -> dict[str, str]:
        resume = context.directory / "resume"
        if "resume" in self._options.places:
            resume.mkdir(exist_ok=True)
        paths = {"child": context.child, "parent": context.parent.directory, "output": work / "output"}
        paths |= {"directory": work, "resume": resume, "here": Path()}
        paths |= {name: _brought(entry, work) for name, entry in self._options.inputs.items()}
        return {name: str(path.resolve()) for name, path in paths.items()} | {"seed": str(context.seed)}

    def _filled(self, places: Mapping[str, str]) -> list[str]:
        """In a text for the shell each place is one word, whatever its path holds."""
        options = self._options
        values = {name: shlex.quote(value) for name, value in places.items()} if options.shell else places
        return [_put_in(word, values) for word in options.words]


def _put_in(text: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: values[match[1]] if match[1] else match[0][0], text)


def _source(entry: Path | Copied) -> Path:
    return entry.copy_of if isinstance(entry, Copied) else entry


def _states(path: Path) -> Iterator[list[object]]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        yield [str(file), file.stat().st_size, file.stat().st_mtime_ns]


def _brought(entry: Path | Copied, work: Path) -> Path:
    """Where the command finds an input."""
    source = _source(entry)
    if not source.exists():
        raise UserError(f"stages: command: there is no file or folder {source} any more")
    if not isinstance(entry, Copied):
        return source
    target = work / source.name
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)
    return target


def _made_whole(output: Path, given: Path, expected: tuple[str, ...]) -> None:
    """Adds the tokenizer, code and licences that the command has not written; UserError for what is no child."""
    from blockwright.child.checkpoint import copy_absent_companions
    from blockwright.child.modeling_blockwright import write_code

    missing = [pattern for pattern in expected if not any(output.glob(pattern))]
    if missing:
        log = output.parent.with_name(LOG)
        raise UserError(f"stages: command: ended well, but left no {', '.join(missing)} in {{output}}; see {log}")
    config = _config(output)
    _refuse_other_weights(output, config)
    copy_absent_companions(given, output)
    write_code(output, config)


def _refuse_other_weights(output: Path, config: BlockwrightConfig) -> None:
    from blockwright.child.checkpoint import planned_tensors
    from blockwright.models.weights import SafetensorsSource, refuse_other_tensors

    try:
        refuse_other_tensors(output, SafetensorsSource(output).stored(), planned_tensors(config))
    except UserError as error:
        raise UserError(*(f"stages: command: {line}" for line in error.lines)) from None


def _config(output: Path) -> BlockwrightConfig:
    from blockwright.child.configuration_blockwright import BlockwrightConfig

    kind = model_type_of(output)
    if kind != BlockwrightConfig.model_type:
        raise UserError(
            f"stages: command: {{output}} holds a model of the type '{kind}', not a child; let the command end in a "
            f"checkpoint with the config.json of {{child}}, or bring it in with `blockwright import`"
        )
    return read_child_config(output)


def _figures(file: Path) -> Mapping[str, float]:
    """What the command says of itself, for the report: `figures.json` in its directory, numbers by name."""
    if not file.is_file():
        return {}
    try:
        said = json.loads(file.read_text())
        return {str(name): float(value) for name, value in said.items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f'stages: command: {file} is no JSON of numbers by name, like {{"reward": 0.5}}') from None


@hookimpl
def register_stages() -> list[type[Stage]]:
    return [CommandStage]
