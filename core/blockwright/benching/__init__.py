"""Children timed in the engines that serve them: against their parents, and part by part, for the search."""
