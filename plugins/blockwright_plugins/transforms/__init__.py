"""Changes of a whole child's shape that come with Blockwright, each a plugin of its own."""
