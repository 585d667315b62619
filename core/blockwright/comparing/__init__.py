"""Solvers against each other at one budget, and one solver at many: the same library, scores and evaluation text."""
