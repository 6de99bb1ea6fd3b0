"""The console: pages for people, on the same acts as the admin API. No page decides what may be done."""
