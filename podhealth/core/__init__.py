"""The rules: they take data and time and return data. Standard library only; no socket, clock or database."""
