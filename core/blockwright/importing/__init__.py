"""Models from elsewhere whose layers differ already, taken in as children."""
