"""What carries a notice out of the house: webhooks, e-mail, chat services. Drivers, each with a deadline."""
