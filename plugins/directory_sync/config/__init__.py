"""What is synced, and every setting; parsed and validated once."""
