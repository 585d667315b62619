"""Errors for the person at the keyboard: where, what was got, what to type instead."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable, Sequence

_BREAK = re.compile(r"\n(?!  \| )")  # `  | ` begins a quoted log's lines


class UserError(Exception):
    """One or more mistakes of the user, a line each; the CLI prints them and exits with 2, without a traceback."""

    def __init__(self, *lines: str) -> None:
        self.lines: Sequence[str] = tuple(map(_on_one_line, lines))
        super().__init__("\n".join(self.lines))


def _on_one_line(text: str) -> str:
    """What does not print as escapes: what a stranger's file says can neither end a line nor command a terminal."""
    whole = _BREAK.sub(r"\\n", text)
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in whole)


def first_line(error: Exception) -> str:
    """What an error says, without what follows; its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """`, did you mean 'highs'?`, or the list of what there is when nothing is near."""
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=1)
    if near:
        return f", did you mean '{near[0]}'?"
    return f"; there is {', '.join(names)}" if names else "; none is installed"


OUT_OF_MEMORY = (
    "the memory is full: end other programs, or lower what is held at once (text.*_tokens, library.gradient_tokens, "
    "a stage's batch_size); the same command goes on from here"
)


_SAID_OF_NO_MEMORY = ("out of memory", "can't allocate memory", "can't start new thread")


def is_out_of_memory(error: BaseException) -> bool:
    """Python's own error, those of torch for a GPU and for main memory, and that of a thread that gets no stack.

    Where the address space is limited (`ulimit -v`), also that of extensions which fail without a word when it ends.
    """
    said = str(error)
    if isinstance(error, SystemError):
        return "error return without exception set" in said and _address_space_is_limited()
    is_said = isinstance(error, RuntimeError) and any(words in said for words in _SAID_OF_NO_MEMORY)
    return is_said or isinstance(error, MemoryError)


def _address_space_is_limited() -> bool:
    try:
        import resource
    except ImportError:  # not on Windows
        return False
    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


OUT_OF_ROOM = "make room, and the same command goes on from here"
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_SAID_OF_NO_ROOM = (*(os.strerror(number) for number in _NO_ROOM), "PytorchStreamWriter failed", "file write failed")


def is_out_of_room(error: BaseException | None) -> bool:
    """A full disk, quota or file, which safetensors and torch word themselves, and others raise in its wake."""
    if error is None:
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NO_ROOM
    said = str(error)
    return any(words in said for words in _SAID_OF_NO_ROOM) or is_out_of_room(error.__cause__ or error.__context__)


def hint_for(error: BaseException) -> str:
    """What to do, behind what an error says; nothing where that is not known."""
    if is_out_of_room(error):
        return f"; {OUT_OF_ROOM}"
    return f"; {OUT_OF_MEMORY}" if is_out_of_memory(error) else ""
