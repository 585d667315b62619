"""The built-in rewards of sampled replies, each a plugin of its own."""
