"""The request methods that every listener serves; the configuration may add to them."""

__all__ = ["METHODS"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
