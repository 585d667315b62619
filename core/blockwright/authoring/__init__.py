"""Plugins that are written for their authors: `blockwright plugins new`."""
