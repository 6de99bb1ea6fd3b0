"""The control plane: what operators do, and the command line that does it."""
