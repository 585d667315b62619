"""A conversation with a child, reply by reply."""
