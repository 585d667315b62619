"""The first minutes: what this machine has, what a recipe would need of it, and a recipe to begin with."""
