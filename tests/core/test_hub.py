"""What is said where the hub does not give a model, worded from huggingface_hub's own errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import transformers
from huggingface_hub import errors

from blockwright.errors import UserError
from blockwright.hub import bytes_to_fetch
from blockwright.parent import ParentSettings, prepare_parent
from blockwright.recipes.checking import check_recipe
from blockwright.recipes.parent_outline import outline_parent

SETTINGS = ParentSettings(model="owner/model", revision="v2")


def of_the_hub(kind: type[errors.HfHubHTTPError], code: int) -> errors.HfHubHTTPError:
    """As huggingface_hub raises it; its response is of whichever library it speaks through."""
    response = SimpleNamespace(status_code=code, headers={}, request=None, text="", history=[], url="")
    return kind(f"{code} Client Error.\nCannot access it.", response=response)  # type: ignore[arg-type]


CASES = [
    (of_the_hub(errors.GatedRepoError, 403), "is gated: accept its terms at https://huggingface.co/owner/model"),
    (of_the_hub(errors.RepositoryNotFoundError, 404), "there is no 'owner/model' on the hub, or it is private"),
    (of_the_hub(errors.RevisionNotFoundError, 404), "has no such revision"),
    (of_the_hub(errors.RemoteEntryNotFoundError, 404), "lacks a file"),
    (of_the_hub(errors.HfHubHTTPError, 429), "the same command tries again"),
    (errors.OfflineModeIsEnabled("offline"), "the hub cannot be reached; connect it (HF_HUB_OFFLINE unset)"),
    (errors.LocalEntryNotFoundError("not cached"), "hf download owner/model --local-dir FOLDER"),
]


@pytest.mark.parametrize(("error", "words"), CASES, ids=lambda one: type(one).__name__)
def test_what_the_hub_refuses_is_told_with_what_to_do(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(UserError, match=r"^parent\.model: ") as told:
        prepare_parent(SETTINGS, tmp_path)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("error", "words"), CASES, ids=lambda one: type(one).__name__)
def test_the_same_is_told_before_a_run_though_transformers_words_it_anew(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise OSError("You are trying to access something.\nMake sure that you can.") from error

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(UserError) as told:
        outline_parent(SETTINGS, {})
    assert words in str(told.value)


def test_a_gated_parent_is_told_at_its_line(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise OSError("gated") from of_the_hub(errors.GatedRepoError, 403)

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    with pytest.raises(UserError) as told:
        check_recipe(recipe, ["parent.model=owner/model"])
    assert str(told.value).startswith("command line: parent.model=owner/model: 'owner/model' is gated")


def test_an_error_of_the_disk_is_not_the_hubs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(OSError, match="No space left"):
        prepare_parent(SETTINGS, tmp_path)


def test_only_the_files_that_a_run_reads_and_the_cache_lacks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"config.json": 10, "model.safetensors": 1000, "pytorch_model.bin": 5000, "tokenizer.json": 100}
    files = [SimpleNamespace(rfilename=name, size=size) for name, size in sizes.items()]

    def cached(_: str, name: str, **__: object) -> str | None:
        return "/cache/tokenizer.json" if name == "tokenizer.json" else None

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: SimpleNamespace(siblings=files))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    assert bytes_to_fetch("owner/model", None) == 1010


def test_a_hub_that_does_not_answer_leaves_the_size_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> object:
        raise errors.OfflineModeIsEnabled("offline")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    assert bytes_to_fetch("owner/model", None) is None
