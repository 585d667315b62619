"""Whole models trained: the loop, its schedule, checkpoints, and the processes that share the work."""
