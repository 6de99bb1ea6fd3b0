"""Targets of the APIs behind us, and the connections to them."""
