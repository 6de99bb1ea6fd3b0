"""What crosses the admin API: documents, requests, and the table of endpoints. Nothing here does anything."""
