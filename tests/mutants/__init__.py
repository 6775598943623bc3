"""Wrong drivers: each makes one mistake, and says which check is made for it. Correct ones that they are made from."""
