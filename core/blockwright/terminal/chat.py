"""A chat at the keyboard: replies as they are written, Ctrl-C stops one, Ctrl-D ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from rich.text import Text

from blockwright.chatting.conversation import Conversation, is_thinking
from blockwright.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

HINT = "Ctrl-C stops a reply, Ctrl-D ends."


def talk(conversation: Conversation, console: Console, ask: Callable[[], str]) -> None:
    """Until `ask` raises EOFError; what does not fit the context is told, and the chat goes on."""
    console.print(HINT, style="dim")
    while True:
        try:
            said = ask().strip()
            if said:
                write_reply(conversation, said, console)
        except EOFError:
            console.print()
            return
        except KeyboardInterrupt:
            console.print(" (stopped)", style="dim")
        except UserError as error:
            console.print(str(error), style="red", markup=False)


def write_reply(conversation: Conversation, said: str, console: Console) -> None:
    """One reply, its think block dimmed, and an end of line."""
    with closing(conversation.reply(said)) as pieces:  # type: ignore[type-var]
        _write(pieces, console)
    console.print()


def _write(pieces: Iterable[str], console: Console) -> None:
    told = ""
    for piece in pieces:
        told += piece
        style = "dim" if is_thinking(told) or piece.strip().endswith("</think>") else ""
        console.print(Text(piece, style=style), end="", soft_wrap=True)
        console.file.flush()


def keyboard(console: Console) -> Callable[[], str]:
    """Asks with a mark; with line editing where Python has it."""
    with suppress(ImportError):
        import readline  # noqa: F401
    return lambda: console.input("[bold]> [/]")
