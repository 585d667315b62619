"""The page: its figures are those of the files, it loads nothing, and nothing from a file acts as markup."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blockwright.api import run
from blockwright.errors import UserError
from blockwright.report import write_report
from blockwright.terminal.tables import as_bytes, as_count, as_duration

# pytest's importlib mode puts no test folder on sys.path
_spec = importlib.util.spec_from_file_location("report_markup", Path(__file__).with_name("markup.py"))
assert _spec and _spec.loader
markup = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(markup)
Page = markup.Page

HOSTILE = "<script>alert('&\"')</script>"


def read(path: Path) -> dict[str, object]:
    return json.loads(path.read_text())


def page(run_directory: Path) -> Page:
    return Page(write_report(run_directory).read_text())


def rewrite(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    record = read(path)
    change(record)
    path.write_text(json.dumps(record))


def test_run_ends_with_its_report(finished: Path) -> None:
    assert (finished / "report" / "index.html").is_file()
    last = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()][-2]
    assert (last["event"], last["path"]) == ("report_written", str(finished / "report" / "index.html"))


def test_verdict_has_the_figures_of_the_files(copied: Path) -> None:
    text = page(copied).text
    final = read(copied / "07-evaluation" / "evaluation.json")["final"]
    taken = read(copied / "04-solve" / "solution.json")["solution"]["costs"]
    parent = read(copied / "03-costs" / "costs.json")["parent"]
    assert f"The child has {as_count(taken['params'])} parameters, {taken['params'] / parent['params']:.1%} of" in text
    assert f"takes {as_bytes(taken['memory'])} of memory" in text
    assert f"it loses {final['kl_nats_per_token']:.3g} nats per token" in text
    assert f"own next token {final['top1_agreement']:.1%} of the time" in text
    assert f"perplexity {final['child_perplexity']:.4g} where the parent has {final['parent_perplexity']:.4g}." in text


def test_changed_file_changes_the_page(copied: Path) -> None:
    def disagree(evaluation: dict[str, object]) -> None:
        evaluation["final"] |= {"top1_agreement": 0.1234}

    rewrite(copied / "07-evaluation" / "evaluation.json", disagree)
    assert "12.3% of the time" in page(copied).text


def test_tables_have_scores_rounds_stages_steps_and_texts(copied: Path) -> None:
    text = page(copied).text
    scores = read(copied / "02-scores" / "scores.json")
    assert all(f"{score:.2g}" in text for variants in scores.values() for score in variants.values())
    rounds = read(copied / "04-solve" / "solution.json")["rounds"]
    assert all(f"{one['predicted']:.4g} {one['realised']:.4g}" in re.sub(" +", " ", text) for one in rounds)
    stage = read(copied / "06-refit" / "stage.json")
    assert all(f"{name} {value:.4g}" in text for name, value in stage["figures"].items())
    assert all(note in text for note in stage["notes"])
    for done in copied.glob("*/done.json"):
        assert f"{done.parent.name} {as_duration(read(done)['seconds'])}" in text
    assert "calibration 32 32 1,024" in text
    assert "evaluation: 256 tokens from" in text
    assert all(f"{name} {version}" in text for name, version in read(copied / "versions.json").items())


def test_recipe_is_there_in_full_and_its_command_is_quoted_for_a_shell(copied: Path) -> None:
    recipe = copied / "recipe.yaml"
    recipe.write_text(re.sub("^runs: .*$", "runs: my runs", recipe.read_text(), flags=re.MULTILINE))
    text = page(copied).text
    assert " ".join(recipe.read_text().split()) in text
    assert "blockwright run 'my runs/tiny/recipe.yaml' runs=again" in text


def test_page_loads_nothing_and_runs_nothing(copied: Path) -> None:
    source = write_report(copied).read_text()
    found = Page(source)
    assert found.loaded == []
    assert "script" not in found.tags
    assert set(re.findall(r"https?://[^\"' <]*", source)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in source
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", source))
    policies = [found.get("content") for _, found in found.elements if "http-equiv" in found]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_names_from_files_never_become_markup(copied: Path) -> None:
    tags = page(copied).tags
    recipe = copied / "recipe.yaml"
    recipe.write_text(re.sub("(?m)^  model: .*$", f"  model: {json.dumps(HOSTILE)}", recipe.read_text()))
    for name in ("02-scores/scores.json", "03-costs/costs.json", "04-solve/solution.json"):
        path = copied / name
        path.write_text(path.read_text().replace('"linear"', json.dumps(HOSTILE)))

    def claim(stage: dict[str, object]) -> None:
        stage |= {"notes": [HOSTILE], "figures": {HOSTILE: 1.0}}

    rewrite(copied / "06-refit" / "stage.json", claim)
    rewrite(copied / "versions.json", lambda versions: versions.update({HOSTILE: HOSTILE}))
    with (copied / "log.jsonl").open("a") as log:
        log.write(json.dumps({"event": "text_read", "set": HOSTILE, "source": HOSTILE, "tokens": 1}) + "\n")
    source = write_report(copied).read_text()
    assert "<script" not in source
    assert Page(source).tags == tags
    assert Page(source).text.count(HOSTILE) > 10


def test_equal_files_give_equal_bytes(copied: Path, finished: Path) -> None:
    first = write_report(copied).read_bytes()
    assert write_report(copied).read_bytes() == first
    assert write_report(finished).read_bytes() == first


def test_run_is_reported_as_far_as_it_has_come(copied: Path) -> None:
    steps = sorted(path.parent.name for path in copied.glob("*/done.json"))
    for place, step in reversed(list(enumerate(steps))):
        (copied / step / "done.json").unlink()
        text = page(copied).text
        assert f"{place} of {len(steps)} steps are done" in text
        assert f"still to come: {', '.join(steps[place:])}." in text
    assert "The search has not chosen a child yet." in text
    assert "The scores are still to come." in text


def test_step_under_way_is_not_read_nor_what_an_earlier_search_left_after_it(copied: Path) -> None:
    (copied / "04-solve" / "done.json").unlink()
    (copied / "04-solve" / "solution.json").write_text('{"solu')
    text = page(copied).text
    assert "The search is still to come." in text
    assert "The evaluation is still to come." in text


def test_run_without_stages_says_so_and_ends_with_the_built_child(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "tiny")
    plain = run(finished / "recipe.yaml", "stages=[]", f"runs={tmp_path}").directory
    text = Page((plain / "report" / "index.html").read_text()).text
    assert "The recipe asks for no stage." in text
    assert "as built unseen text" in text
    assert "after healing" not in text


def test_broken_file_of_a_finished_step_is_named_with_the_way_out(copied: Path) -> None:
    path = copied / "03-costs" / "costs.json"
    path.write_text("{}")
    with pytest.raises(UserError, match=rf"{path}: cannot be read .*; remove {path.parent} and type `blockwright run`"):
        write_report(copied)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run is here"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
