"""The console: pages on the operations of the admin API, for those who hold keys and those who look after them."""
