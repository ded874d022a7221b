"""Probes: sockets out, findings back. Knows no database."""
