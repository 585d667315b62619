"""How many threads torch has in a worker."""

from __future__ import annotations

import os
import sys


def use_threads(count: int) -> None:
    """Sums may differ in their last digits where torch has another number of threads."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # read when torch is imported
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)
