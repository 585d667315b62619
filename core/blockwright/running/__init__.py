"""A run and its directory: the pipeline of steps, when a step is done again, the plan before and other budgets
after it."""
