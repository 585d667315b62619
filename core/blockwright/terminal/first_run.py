"""What this machine has and a recipe needs, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from blockwright.terminal.tables import Summary, Table

if TYPE_CHECKING:
    from blockwright.first_run.machine import Finding
    from blockwright.first_run.needs import Need


def doctor_summary(findings: Sequence[Finding], needs: Sequence[Need]) -> Summary:
    """One row a thing; what to do stands beside what is lacking."""
    rows = [(one.subject, one.found or "-", one.advice) for one in findings]
    tables = [Table("This machine", ("what", "found", "what to do"), rows)]
    if needs:
        needed = [(one.what, one.needed, one.here, "yes" if one.fits else "no", one.advice) for one in needs]
        tables.append(Table("The recipe", ("what", "needed", "here", "fits", "what to do"), needed))
    return Summary({"machine": [asdict(one) for one in findings], "recipe": [asdict(one) for one in needs]}, tables)
