"""How agents' messages come in: thousands a second, each a few bytes, none lost once it is answered."""
