"""What is worth a warning, and when it is told: plain functions over small records."""
