"""What the command line shows: progress, tables, summaries, and the way a command ends."""
