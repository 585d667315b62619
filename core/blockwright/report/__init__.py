"""The report of a run: one self-contained page whose every figure comes from a file in the run directory."""

from blockwright.report.writing import write_report

__all__ = ["write_report"]
