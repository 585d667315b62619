"""A child's strip, layer by layer: the values of the picture, and how it is drawn on a terminal and in a page."""
