"""Manual pages without their markup."""

import pytest

from blockwright.text.sources.roff import plain_text, unescaped

PAGE = r"""'\" t
.\" a comment
.de Sp
.if t .sp .5v
..
.ie n \{\
.ds L" ""
'br\}
.TH TOOL 1 "2026"
.SH NAME
tool \- does \fIthings\fR
.SH OPTIONS
.TP
\fB\-a\fR, \fB\-\-all\fR
do not ignore entries
.TS
l l.
table	row
.TE
.PP
See
.BR ls (1)
for \(lqmore\(rq.
"""


def test_a_page_becomes_its_words() -> None:
    expected = 'NAME\n\ntool - does things\n\nOPTIONS\n\n-a, --all\ndo not ignore entries\n\nSee\nls(1)\nfor "more".\n'
    assert plain_text(PAGE) == expected


def test_mdoc_macros_become_their_words() -> None:
    page = ".Dd June 1, 2026\n.Sh SYNOPSIS\n.Nm tool\n.Op Fl v\n.Ar file\nSee\n.Xr ls 1 .\n"
    assert plain_text(page) == "SYNOPSIS\n\ntool\n-v\nfile\nSee\nls 1 .\n"


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"\fB\-a\fR", "-a"),
        (r"\f[CR]code\f[]", "code"),
        (r"C:\edir", r"C:\dir"),
        (r"don\(aqt", "don't"),
        (r"a\~b\ c", "a b c"),
        (r"wide\h'2n'space", "widespace"),
        (r"end \" comment", "end "),
        (r"\s-1SMALL\s0", "SMALL"),
    ],
)
def test_escapes_become_what_they_show(escaped: str, plain: str) -> None:
    assert unescaped(escaped) == plain
