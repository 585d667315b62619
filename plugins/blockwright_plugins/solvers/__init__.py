"""The built-in solvers."""
