"""The text that a run learns from and is judged by: sources, token sequences, and sets that share nothing."""
