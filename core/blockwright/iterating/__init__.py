"""Search in steps: to an intermediate budget, heal, and on from the healed child (arXiv 2411.19146)."""
