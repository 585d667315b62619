"""Text that a tiny model writes: seeded, resumable, and of use as a source."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from blockwright.errors import UserError
from blockwright.events import Event, listening
from blockwright.text.generating.generating import generate_data
from blockwright.text.generating.output import Output
from blockwright.text.generating.settings import SamplingSettings
from blockwright.text.sources import documents
from blockwright.text.sources.reading import Reading

TEMPLATE = (
    "{% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}{% if add_generation_prompt %}w7 {% endif %}"
)


@pytest.fixture(scope="module")
def model(parent_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny parent with a chat template."""
    folder = tmp_path_factory.mktemp("model") / "parent"
    shutil.copytree(parent_folder, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def of(**settings: object) -> SamplingSettings:
    return SamplingSettings.model_validate({"tokens": 200, "length": 24, "batch": 4, **settings})


def made(model: Path, out: Path, settings: SamplingSettings) -> list[dict[str, object]]:
    generate_data("tiny", model, out, settings)
    return [json.loads(line) for line in out.read_text().splitlines()]


def origins(records: Sequence[dict[str, object]], name: str) -> list[object]:
    return [record["generated"][name] for record in records]  # type: ignore[index]


def test_free_text_reaches_the_budget_and_no_further(model: Path, tmp_path: Path) -> None:
    records = made(model, tmp_path / "out.jsonl", of())
    sizes = [int(str(size)) for size in origins(records, "tokens")]
    assert sum(sizes) >= 200 > sum(sizes[:-1])
    assert max(sizes) <= 24
    assert len({str(record["text"]) for record in records}) == len(records)
    assert origins(records, "batch") == [index // 4 for index in range(len(records))]
    assert records[0]["generated"] == {
        "model": "tiny", "seed": 0, "prompts": None, "prompt_tokens": 64, "length": 24, "temperature": 1.0,
        "top_p": 1.0, "batch_size": 4, "batch": 0, "tokens": sizes[0],
    }  # fmt: skip


def test_a_seed_gives_the_same_file_and_another_seed_another(model: Path, tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made(model, tmp_path / name, of(seed=seed, tokens=60))
        texts.append([json.loads(line)["text"] for line in (tmp_path / name).read_text().splitlines()])
    assert texts[0] == texts[1] != texts[2]


def test_settings_of_sampling_reach_the_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"text": "w1 w2"}')
    prompts = str(tmp_path / "prompts.jsonl")
    greedy = {str(record["text"]) for record in made(model, tmp_path / "a", of(prompts=prompts, temperature=1e-6))}
    nucleus = {str(record["text"]) for record in made(model, tmp_path / "b", of(prompts=prompts, top_p=1e-6))}
    assert len(greedy) == 1
    assert greedy == nucleus
    assert len({str(record["text"]) for record in made(model, tmp_path / "c", of(prompts=prompts))}) > 1


def test_a_model_that_says_nothing_is_given_up(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the model ended 256 texts in a row at once; name other --prompts"):
        generate_data("tiny", model, tmp_path / "out.jsonl", of(temperature=1e-6, batch=128, length=1))


@pytest.mark.parametrize("cut", ["nothing", "a line", "half a line", "a whole batch"])
def test_a_killed_command_ends_in_the_file_of_an_uninterrupted_one(model: Path, tmp_path: Path, cut: str) -> None:
    def interrupt(event: Event) -> None:
        if event.name == "batch_generated" and event.fields["documents"] == 8:
            raise KeyboardInterrupt

    made(model, tmp_path / "whole.jsonl", of())
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        generate_data("tiny", model, out, of())
    lines = out.read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    left = {
        "nothing": lines,
        "a line": lines[:-1],
        "half a line": [*lines[:-1], lines[-1][:30]],
        "a whole batch": lines[:4],
    }
    out.write_bytes(b"".join(left[cut]))
    made(model, out, of())
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_more_tokens_go_on_and_a_finished_file_stays(model: Path, tmp_path: Path) -> None:
    made(model, tmp_path / "whole.jsonl", of(tokens=300))
    out = tmp_path / "out.jsonl"
    made(model, out, of(tokens=100))
    made(model, out, of(tokens=300))
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    heard: list[Event] = []
    with listening(heard.append):
        generate_data("tiny", tmp_path / "not even opened", out, of(tokens=300))
    assert heard == []
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "mine"}', r"out.jsonl:1: was not written by this command; name another --out"),
        ("no json", r"out.jsonl:1: was not written by this command"),
    ],
)
def test_a_file_of_somebody_else_is_left_alone(line: str, message: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text(f"{line}\n")
    with pytest.raises(UserError, match=message):
        generate_data("tiny", model, tmp_path / "out.jsonl", of())
    assert (tmp_path / "out.jsonl").read_text() == f"{line}\n"


@pytest.mark.parametrize("text", ['{"my": "precious"}', '{"text": "mine"}', "no json"])
def test_a_file_of_somebody_else_is_left_alone_though_its_line_has_no_end(text: str, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text)
    with pytest.raises(UserError, match=r"out.jsonl:1: was not written by this command"):
        Output(path, {"seed": 0}).resume(100)
    assert path.read_text() == text


@pytest.mark.parametrize("left", ['{"te', '{"text": "half a l', '{"messages": [{"rol'])
def test_a_first_line_that_a_kill_has_broken_is_written_again(left: str, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(left)
    Output(path, {"seed": 0}).resume(100)
    assert path.read_bytes() == b""


def test_other_settings_do_not_go_on_with_a_file(model: Path, tmp_path: Path) -> None:
    made(model, tmp_path / "out.jsonl", of(tokens=30))
    with pytest.raises(UserError, match=r"out.jsonl:1: was made with seed 0, temperature 1.0; name another --out"):
        generate_data("tiny", model, tmp_path / "out.jsonl", of(seed=5, temperature=0.5))


def test_texts_are_continued(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"text": "w1 w2 w3 w4"}\n{"text": "w11 w12"}\n')
    records = made(model, tmp_path / "out.jsonl", of(prompts=str(tmp_path / "prompts.jsonl"), prompt_tokens=3))
    beginnings = [str(record["text"]).startswith("w1 w2 w3") for record in records[:8]]
    assert sum(beginnings) == 4
    assert sum(str(record["text"]).startswith("w11 w12") for record in records[:8]) == 4


def test_messages_are_answered_in_place_of_the_answer_that_is_there(model: Path, tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "w1 w2"}, {"role": "assistant", "content": "w3"}]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": talk}))
    records = made(model, tmp_path / "out.jsonl", of(prompts=str(tmp_path / "talk.jsonl")))
    messages = [record["messages"] for record in records]
    assert all(one[:1] == talk[:1] and len(one) == 2 and one[1]["role"] == "assistant" for one in messages)  # type: ignore
    assert len({str(one) for one in messages}) > 1


def test_prompts_of_unlike_length_do_not_change_each_other(model: Path, tmp_path: Path) -> None:
    """Padding on the left is not looked at: cold samples of a batch are those of each prompt alone."""
    prompts = {name: f"{name} " + "w5 " * size for name, size in (("w1", 1), ("w2", 9), ("w3", 20))}
    (tmp_path / "all.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in prompts.values()))
    together = made(
        model, tmp_path / "o.jsonl", of(prompts=str(tmp_path / "all.jsonl"), batch=3, tokens=72, temperature=1e-6)
    )
    for name, text in prompts.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"text": text}))
        (alone,) = made(
            model,
            tmp_path / f"o-{name}.jsonl",
            of(prompts=str(tmp_path / f"{name}.jsonl"), batch=1, tokens=1, temperature=1e-6),
        )
        assert alone["text"] in [record["text"] for record in together]


def test_what_was_generated_is_a_source_of_text(model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    records = made(model, tmp_path / "out.jsonl", of())
    read = documents(str(tmp_path / "out.jsonl"), Reading(Random(0), AutoTokenizer.from_pretrained(model)))
    assert sorted(read) == sorted(str(record["text"]) for record in records)


def test_prompts_that_are_all_too_long_are_refused(model: Path, tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "w1 " * 60}]}
    (tmp_path / "talk.jsonl").write_text(json.dumps(talk))
    with pytest.raises(UserError, match=r"talk.jsonl' holds no prompt of at most 32 tokens"):
        generate_data("tiny", model, tmp_path / "out.jsonl", of(prompts=str(tmp_path / "talk.jsonl")))
