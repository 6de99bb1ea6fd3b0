"""The admin API over HTTP: parse, ask, write. What may be done, and by whom, is decided in the services."""
