"""Those who can act on pods, one file each; none knows another."""
