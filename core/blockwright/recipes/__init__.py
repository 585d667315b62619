"""From a recipe's file to a checked recipe: how it is read, the values it holds, and every mistake it can have,
worded with its file and line, before anything is written or computed."""
