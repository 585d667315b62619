"""Text that a model writes itself: training data for those who have none."""
