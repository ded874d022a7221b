"""The six state machines of hazards §4 and the interleavings: random lives of the product's own code on a database.

``make machines`` runs them long and counts their steps; ``make test`` has them live a few short lives.
"""
