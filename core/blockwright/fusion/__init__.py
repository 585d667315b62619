"""Parallelism after the search: runs of FFNs that become one wide FFN, windows of blocks that run side by side."""
