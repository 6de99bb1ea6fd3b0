"""Listeners and lanes: bytes in, bytes out (design §7, §11)."""
