"""Tells people: notices become messages, messages are delivered over channels, tried again, and logged."""
