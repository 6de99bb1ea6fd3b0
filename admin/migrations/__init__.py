"""The database's schema, one revision at a time; each runs under the previous release."""
