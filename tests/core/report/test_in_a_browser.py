"""The report of a tiny run in headless chromium: silent, drawn, no wider than a phone, and dark where that is asked."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from blockwright.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path; apt install chromium")

MEASURING = """
const page = frame.contentDocument, shown = (node) => node.getBoundingClientRect();
told.textContent = JSON.stringify({
  width: page.documentElement.clientWidth,
  needed: page.documentElement.scrollWidth,
  figures: [...page.querySelectorAll("svg")].map((svg) => [
    shown(svg).width, shown(svg).height, svg.querySelectorAll("rect,path,circle,line,polyline").length,
  ]),
  bars: [...page.querySelectorAll(".stack .fill")].filter((bar) => shown(bar).width > 0).length,
  headings: [...page.querySelectorAll("h2")].map((heading) => heading.textContent),
  dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches,
  page: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  ink: frame.contentWindow.getComputedStyle(page.body).color,
  title: page.title,
  foreign: page.querySelectorAll("script, img, iframe, object, embed, form, base").length,
  text: page.body.textContent,
});
"""


@dataclass(frozen=True)
class Seen:
    """What the page measures, and what the browser's console says."""

    told: dict[str, Any]
    console: list[str]


def opened(report: Path, folder: Path, width: int, *flags: str) -> Seen:
    """The report in a frame of that width, since a window cannot be as narrow as a phone."""
    frame = f'<iframe id="frame" width="{width}" height="800" srcdoc="{html.escape(report.read_text())}"></iframe>'
    page = folder / "frame.html"
    page.write_text(f'{frame}<pre id="told"></pre><script>onload = () => {{{MEASURING}}}</script>')
    command = [
        str(CHROMIUM), "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
        "--virtual-time-budget=5000", *(["--no-sandbox"] if os.getuid() == 0 else []), *flags, "--dump-dom",
        page.as_uri(),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    measured = re.search(r'<pre id="told">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert measured is not None
    return Seen(
        json.loads(html.unescape(measured[1])), [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
    )


@pytest.fixture
def report(finished: Path) -> Path:
    return finished / "report" / "index.html"


def assert_all_is_drawn(seen: Seen, report: Path) -> None:
    assert seen.console == []
    assert len(seen.told["figures"]) == report.read_text().count("<svg") > 0
    for figure in seen.told["figures"]:
        assert min(figure) > 0, "width, height and parts of a figure"
    assert seen.told["bars"] > 0


def test_the_report_is_silent_and_every_figure_is_drawn(report: Path, tmp_path: Path) -> None:
    seen = opened(report, tmp_path, 1040)
    assert_all_is_drawn(seen, report)
    assert {"The child, layer by layer", "Where the size is", "Predicted and realised"} <= set(seen.told["headings"])


def test_toggle_rewards_and_replies_of_both_modes_are_drawn(thinking: Path, tmp_path: Path) -> None:
    page = thinking / "report" / "index.html"
    assert_all_is_drawn(opened(page, tmp_path, 1040), page)
    text = page.read_text()
    assert text.count('<svg class="rounds toggle"') == 2, "reasoning-sft and grpo"
    assert "reward over 2 steps" in text
    for told in ("before, thinking on", "after, thinking off", "step 2, thinking on", "step 2, thinking off"):
        assert f'<th scope="row">{told}</th>' in text
    assert "Thinking on, " in text and "Thinking off, " in text, "samples of the evaluation"


@pytest.mark.parametrize("kind", ["finished", "thinking"])
def test_a_phone_scrolls_only_downwards(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    report = request.getfixturevalue(kind) / "report" / "index.html"
    seen = opened(report, tmp_path, 390)
    assert seen.console == []
    assert 300 < seen.told["width"] <= 390
    assert seen.told["needed"] <= seen.told["width"]


def test_a_script_is_refused_by_the_page_and_heard_in_the_console(report: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(report.read_text().replace("</body>", "<script>nothing.here</script></body>"))
    assert "Content Security Policy" in " ".join(opened(broken, tmp_path, 390).console)


def test_it_is_dark_where_the_system_is(report: Path, tmp_path: Path) -> None:
    def brightness(colour: str) -> float:
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3

    seen = opened(report, tmp_path, 1040, "--blink-settings=preferredColorScheme=0").told
    assert seen["dark"]
    assert brightness(seen["page"]) < 64
    assert brightness(seen["ink"]) > 192


HOSTILE = "<script>document.title='harmed'</script><img src=x onerror=\"document.title='harmed'\">'\"&amp;"


def put_everywhere(value: Any) -> Any:
    """Every text of a JSON value followed by markup that would run, names of sub-blocks and variants left alone."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [put_everywhere(one) for one in value]
    return {key: put_everywhere(one) for key, one in value.items()} if isinstance(value, dict) else value


def test_markup_in_what_the_report_shows_is_text_in_the_browser(copied: Path, tmp_path: Path) -> None:
    """A parent, a source of text, a machine, notes and a recipe that are markup; the page's own guard is taken off."""
    recipe = yaml.safe_load((copied / "recipe.yaml").read_text())
    recipe["name"] += HOSTILE
    recipe["parent"]["model"] = HOSTILE
    recipe["text"] = put_everywhere(recipe["text"])
    (copied / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True))
    log = [json.loads(line) for line in (copied / "log.jsonl").read_text().splitlines()]
    for event in log:
        if event["event"] == "text_read":
            event["source"] += HOSTILE
    (copied / "log.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in log))
    for name in ("versions.json", "06-refit/stage.json"):
        known = json.loads((copied / name).read_text())
        shown = {
            key: put_everywhere(one) if key not in ("child", "loss", "curve") else one for key, one in known.items()
        }
        (copied / name).write_text(json.dumps(shown))
    page = write_report(copied)
    text = page.read_text()
    assert text.count("&lt;script&gt;") > 3
    guard = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', text)
    assert guard is not None
    page.write_text(text.replace(guard[0], ""))
    seen = opened(page, tmp_path, 1040)
    assert seen.console == []
    assert "harmed" not in seen.told["title"] or HOSTILE in seen.told["title"]
    assert seen.told["foreign"] == 0
    assert HOSTILE in seen.told["text"]
