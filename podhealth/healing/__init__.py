"""From facts to a decision, from a decision to an action, from an action to its proof."""
