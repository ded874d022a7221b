"""The pure rules run over scripted fleets in virtual time, for scenarios and for the replay of a policy."""
