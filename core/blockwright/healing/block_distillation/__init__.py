"""Block distillation: replacements of sub-blocks trained on the parent's own activations (Puzzle, 2411.19146, 3)."""
