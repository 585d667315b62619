"""The built-in cost models."""
