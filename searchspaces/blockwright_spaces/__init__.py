"""Search spaces: which variants each layer may take, as YAML, one space a file."""
