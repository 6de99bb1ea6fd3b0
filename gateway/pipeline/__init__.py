"""The request path: from a credential to an upstream, and to a usage record. Knows ports, not drivers."""
