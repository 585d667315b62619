"""Hardware profiles: YAML, one profile a file, with its measured tables beside it."""
