"""Libraries and scores that go from one machine to another: exported whole, checked when they come in."""
