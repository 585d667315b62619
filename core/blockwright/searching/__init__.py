"""From scores to a child: prices of the space, the problem that solvers answer, and rounds of search around the
best child so far."""
