"""Search spaces: where one is written, how it is read, and the variants that it comes to for a parent."""
