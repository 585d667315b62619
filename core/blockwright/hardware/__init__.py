"""Machines: what one can do, what was measured on it, and how long an operation takes there."""
