"""Use cases: one method is one transaction. The CLI calls these, and whatever face comes next."""
