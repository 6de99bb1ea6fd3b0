"""Pages of accounts, their access to the API, and users."""
