"""Every built-in plugin keeps the contracts of its kinds, and plugins that break a rule are told by it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ConfigDict
from typer.testing import CliRunner

from blockwright.cli import app
from blockwright.contracts.checking import CONTRACTS, Outcome, check_plugin, rules_of
from blockwright.costs import CostModel, Time
from blockwright.exporters import ExportContext, Exported, Exporter
from blockwright.hardware.operations import Operation
from blockwright.plugins import Plugins, installed_plugins
from blockwright.plugins.loading import Plugin
from blockwright.plugins.parts import KINDS, parts_of
from blockwright.resources import ResourceKind, Resources
from blockwright.scoring import ScoreContext, Scorer, ScorerOptions, Scores
from blockwright.stages import Stage, StageContext, StageResult
from blockwright.variants import BlockVariant, SubBlock, SubBlockShape, VariantOptions, VariantSpec, Weights
from blockwright_plugins.families.llama import Llama
from blockwright_plugins.scorers.block_influence import BlockInfluenceScorer
from blockwright_plugins.variants.narrow import NarrowFFN

BUILT_IN = [plugin for plugin in Plugins.load().table if plugin.distribution == "blockwright"]


@pytest.mark.parametrize("plugin", BUILT_IN, ids=lambda plugin: plugin.name)
def test_a_built_in_plugin_keeps_its_contracts(plugin: Plugin) -> None:
    outcomes = list(check_plugin(plugin))
    assert [outcome for outcome in outcomes if outcome.state == "broken"] == []
    kept = {outcome.what for outcome in outcomes if outcome.state == "kept"}
    assert {part.title for part in plugin.parts} <= {what.partition(" {")[0] for what in kept}


def test_every_kind_has_a_contract_whose_rules_say_what_they_ask() -> None:
    assert {kind.word for kind in KINDS} | {"resources"} == set(CONTRACTS)
    for kind in CONTRACTS:
        assert len(rules_of(kind)) >= 3
        assert all((rule.__doc__ or "").strip() for rule in rules_of(kind))


def broken_rules(hook: str, provider: type, **changed: object) -> Mapping[str, str]:
    """Of a plugin that brings one class."""
    plugin = Plugin("theirs", "their-package", "1.0", (hook,), tuple(parts_of(hook, [provider])), module="json")
    return told(check_plugin(replace(plugin, **changed)))  # type: ignore[arg-type]


def told(outcomes: Iterable[Outcome]) -> Mapping[str, str]:
    return {outcome.rule: outcome.message for outcome in outcomes if outcome.state == "broken"}


class Miscounted(NarrowFFN):
    """Counts too few weights."""

    kind = "miscounted"

    def resolve(self, options: VariantOptions, shape: SubBlockShape) -> VariantSpec:
        return replace(super().resolve(options, shape), kind=self.kind)

    def parameters(self, spec: VariantSpec, shape: SubBlockShape) -> int:
        return super().parameters(spec, shape) - 1


class Unbuilt(Miscounted):
    """Forgets its weights."""

    kind = "unbuilt"

    def build(self, specs: Sequence[VariantSpec], context: object) -> Mapping[VariantSpec, Weights]:
        return {spec: {} for spec in specs}


class Crashing(BlockInfluenceScorer):
    """Crashes, with options that anybody may misspell."""

    name = "crashing"

    class Options(ScorerOptions):
        model_config = ConfigDict(extra="ignore", frozen=False)

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        raise ZeroDivisionError("no tokens")


class Negative(Scorer):
    name = "negative"

    def score(self, context: ScoreContext) -> Iterator[tuple[SubBlock, Scores]]:
        for sub_block in context.library.sub_blocks():
            yield sub_block, {spec.label: -1.0 for spec in context.library.variants(sub_block)}


class Meddling(Stage):
    """Writes into the child that it was given."""

    name = "meddling"

    def run(self, context: StageContext) -> StageResult:
        (context.child / "notes.txt").write_text(str(context.directory))
        return StageResult(context.child, {"loss": math.nan})


class Idle(Exporter):
    """Writes nothing, and serves something else."""

    name = "idle"

    def export(self, context: ExportContext) -> Exported:
        return Exported("serve /somewhere/else")


class Swapped(Llama):
    """Takes the FFN to be as wide as the stream."""

    model_type = "llama"

    def own_settings(self, config: object) -> dict[str, object]:
        return {**super().own_settings(config), "intermediate_size": 32}  # type: ignore[arg-type]


class TimeTraveller(CostModel):
    """Answers before it was asked."""

    name = "time-traveller"

    def operation(self, operation: Operation) -> Time:
        return Time(-1.0, 0.0)


@pytest.mark.parametrize(
    ("hook", "provider", "rule", "sentence"),
    [
        ("register_block_variants", Miscounted, "variant counts its weights", "narrow"),
        ("register_block_variants", Unbuilt, "variant builds all its weights", "there is no weight"),
        ("register_scorers", Crashing, "scorer scores every variant", "raised ZeroDivisionError: no tokens"),
        ("register_scorers", Crashing, "part options refuse unknown keys", "takes options that there are not"),
        ("register_scorers", Crashing, "part options are frozen", "can be changed"),
        ("register_scorers", Negative, "scorer finds no loss in keeping", "a score of -1.0"),
        ("register_scorers", Negative, "part says what it is", "has no docstring"),
        ("register_stages", Meddling, "stage leaves the given child as it is", "changed the files"),
        ("register_stages", Meddling, "stage tells figures that are numbers", "nan"),
        ("register_exporters", Idle, "exporter writes what it does not refuse", "wrote no file"),
        ("register_exporters", Idle, "exporter tells the command", "does not name /served/here"),
        ("register_model_families", Swapped, "family reads every weight", "as its config asks for"),
        ("register_cost_models", TimeTraveller, "cost model answers in milliseconds", "a time of -"),
    ],
)
def test_a_plugin_that_breaks_a_rule_is_told_by_it(hook: str, provider: type, rule: str, sentence: str) -> None:
    found = broken_rules(hook, provider)
    assert rule in found, found
    assert sentence in found[rule] or "counts" in found[rule]


def test_resources_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("attention: [keep, hop]\n")
    (tmp_path / "worse.yaml").write_text("name: better\nfnn: []\n")
    found = told(_of_folder("searchspaces", tmp_path))
    assert "hop" in found["spaces fit a common model"]
    assert "fnn" in found["resources are read without mistakes"]
    assert "has no description" in found["resources say what they are"]


def test_a_hardware_profile_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "tiny-npu.yaml").write_text("name: npu\nmemory_gib: 8\nbandwidth_gb_s: 50\npeak_tflops: {fp32: 1}\n")
    assert "calls itself 'npu'" in told(_of_folder("hardware", tmp_path))["resources are read without mistakes"]


def _of_folder(kind: ResourceKind, folder: Path) -> Iterator[Outcome]:
    resources = (Resources(kind, folder),)
    return check_plugin(Plugin("theirs", "p", "1", ("register_resources",), resources=resources, module="json"))


OBSERVER = (
    "import time, torch\nimport blockwright\n@blockwright.hookimpl\ndef observe(event): return event.fields['layer']"
)


def test_an_observer_that_fails_and_a_heavy_import_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger_observer.py").write_text(OBSERVER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    plugin = Plugin("theirs", "p", "1", ("observe",), module="stranger_observer", seconds=3.0)
    found = told(check_plugin(plugin))
    assert "raised KeyError" in found["plugin observes any event"]
    assert "imports torch" in found["plugin imports nothing heavy"]
    assert "took 3.0 s to import" in found["plugin loads quickly"]


def test_a_plugin_that_does_not_load_is_told_alone() -> None:
    plugin = Plugin("theirs", "p", "1", broken="ImportError: no moon")
    assert list(told(check_plugin(plugin))) == ["plugin loads"]


def test_the_command_checks_one_plugin_and_ends_with_its_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    good = CliRunner().invoke(app, ["plugins", "check", "weights"])
    assert good.exit_code == 0, good.output
    assert "cost model 'weights'" in good.stdout and "0 broken" in good.stdout
    monkeypatch.setenv("BLOCKWRIGHT_PLUGINS", "wieghts")
    installed_plugins.cache_clear()
    try:
        bad = CliRunner().invoke(app, ["plugins", "check", "--json"])
    finally:
        installed_plugins.cache_clear()
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)[0]["message"].endswith("did you mean 'weights'?")


def test_a_variant_class_is_needed_for_a_variant_rule() -> None:
    """The rules are plain functions that pytest can parametrize over."""
    rule = next(rule for rule in rules_of("variant") if rule.__name__ == "variant_counts_its_weights")
    rule(NarrowFFN())
    variant: BlockVariant = Miscounted()
    with pytest.raises(AssertionError, match=r"miscounted: miscounted=20 counts \d+ parameters"):
        rule(variant)
