"""Manual pages' markup (roff with the man or mdoc macros) taken off, without groff."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

# Blocks that are programs or pictures: from the request to its end.
BLOCKS = {".de": "..", ".de1": "..", ".am": "..", ".ig": "..", ".TS": ".TE", ".EQ": ".EN", ".PS": ".PE"}
HEADINGS = {"SH", "Sh", "SS", "Ss"}
BREAKS = {"PP", "P", "LP", "Pp", "sp", "br", "TP", "TQ", "HP", "RS", "RE", "nf", "fi", "EX", "EE", "Vb", "Ve"}
FONTS = {"B", "I", "R", "SM", "SB", "IP", "It", "UR", "MT", "UE", "ME", "Nd", "Em", "Sy", "Ql", "D1", "Dl", "Li"}
PAIRED_FONTS = {"BR", "RB", "BI", "IB", "IR", "RI"}  # words of two fonts in turn, with no space between
MDOC = {"Nm", "Fl", "Ar", "Op", "Pa", "Xr", "Cm", "Ev", "Va", "Fa", "Fn", "Ns", "Oo", "Oc", "Dq", "Sq", "Pq", "Ic"}

BACKSLASH = "\x00"  # stands for a backslash that is meant, until all escapes are gone
ESCAPES = (
    (re.compile(r"\\[e\\]"), BACKSLASH),
    (re.compile(r"\\\".*"), ""),  # a comment
    (re.compile(r"\\f(\[[^]]*\]|\(..|.)"), ""),  # a font
    (re.compile(r"\\s([+-]?\d|\[[^]]*\])"), ""),  # a size
    (re.compile(r"\\[hvwNlLoDbXZ]'[^']*'"), ""),  # a movement
    (re.compile(r"\\\((aq|cq|oq)|\\\[(aq|cq|oq)\]"), "'"),
    (re.compile(r"\\\((lq|rq|dq)|\\\[(lq|rq|dq)\]|\\\*\(([lr]q|L\"|R\")|\\\*[lr]q"), '"'),
    (re.compile(r"\\\((en|em|hy|mi)|\\\[(en|em|hy|mi)\]|\\\*\(--"), "-"),
    (re.compile(r"\\\((bu)|\\\[(bu)\]"), "*"),
    (re.compile(r"\\\((ti|ha)|\\\[(ti|ha)\]"), "~"),
    (re.compile(r"\\[*n]?(\(..|\[[^]]*\])"), ""),  # other glyphs, strings and registers
    (re.compile(r"\\[*n]."), ""),
    (re.compile(r"\\[~ 0]"), " "),
    (re.compile(r"\\([-'`.])"), r"\1"),
    (re.compile(r"\\[&|^/,:%!ctdup{}]"), ""),
)


def plain_text(roff: str) -> str:
    """A page's words: headings on lines of their own, a blank line between paragraphs."""
    text = "\n".join(_lines(roff))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _lines(roff: str) -> Iterator[str]:
    for line in _outside_blocks(roff.splitlines()):
        if line.startswith((".", "'")):
            text = _request(line[1:].lstrip())
            if text is not None:
                yield text
        else:
            yield unescaped(line)


def _outside_blocks(lines: list[str]) -> Iterator[str]:
    """Without macro definitions, tables, equations and conditions, which may run over lines in braces."""
    end, depth = "", 0
    for line in lines:
        name = line.split(maxsplit=1)[0] if line.strip() else ""
        if end:
            end = "" if name == end else end
        elif depth or name in (".if", ".ie", ".el"):
            depth += line.count(r"\{") - line.count(r"\}")
        elif name in BLOCKS:
            end = BLOCKS[name]
        else:
            yield line


def _request(request: str) -> str | None:
    """The text of a macro's line; None for one that shows nothing."""
    name, _, rest = request.partition(" ")
    if name in HEADINGS:
        return f"\n{' '.join(_arguments(rest))}\n"
    if name in BREAKS:
        return ""
    if name in PAIRED_FONTS:
        return "".join(_arguments(rest))
    if name in FONTS:
        return " ".join(_arguments(rest)[: 1 if name == "IP" else None])
    if name in MDOC:
        return _mdoc([name, *_arguments(rest)])
    return None


def _mdoc(words: list[str]) -> str:
    """Macros within a line are dropped; a flag keeps its dash."""
    return " ".join(word for word in words if word not in MDOC or word == "Fl").replace("Fl ", "-")


def _arguments(rest: str) -> list[str]:
    try:
        words = shlex.split(rest.replace("\\", "\\\\").replace("'", "\\'"))
    except ValueError:
        words = rest.replace('"', "").split()
    return [unescaped(word) for word in words]


def unescaped(text: str) -> str:
    r"""Text without roff's escapes: `\fB\-a\fR` is `-a`."""
    for pattern, plain in ESCAPES:
        text = pattern.sub(plain, text)
    return text.replace(BACKSLASH, "\\")
