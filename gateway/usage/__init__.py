"""From a finished request to its stored record (design §8)."""
