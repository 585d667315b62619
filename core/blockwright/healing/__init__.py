"""Makes a better child of a child that is already built; the stages of plugins call it."""
