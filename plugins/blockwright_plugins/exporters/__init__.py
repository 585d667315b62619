"""Built-in exporters, one a target."""
