"""Pages of keys: the table, making one, one key, its life."""
