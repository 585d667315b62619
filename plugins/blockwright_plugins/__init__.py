"""Everything built in; each module comes in through the entry points, as a stranger's plugin does."""
