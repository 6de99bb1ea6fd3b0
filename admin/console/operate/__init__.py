"""Pages for whoever looks after the gateway."""
