"""The child checkpoint: its config and model classes, self-contained so that they travel inside the checkpoint."""
