"""What only the control plane writes and reads in SQL."""
