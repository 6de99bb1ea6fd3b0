"""Every call of the admin API, built from typed arguments; one function for each endpoint. Nothing is sent here."""
