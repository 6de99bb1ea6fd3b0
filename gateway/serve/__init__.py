"""The processes: one worker's signals, start and drain; the supervisor that runs workers and control plane."""
