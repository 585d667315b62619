"""Builds the block library: the weights of every variant of every sub-block, fitted to the parent."""
