"""Wrong drivers: each makes one mistake, and says which check is made for it."""
