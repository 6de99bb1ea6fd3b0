"""Pages of what people are told: the inbox, where notifications go, and what an account wants to hear of."""
