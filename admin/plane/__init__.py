"""The control plane as one thing: its services on open stores, and the process that serves them."""
