"""One file for each kind of channel; a new kind is one file and its line in the registry."""
