"""What browsers are told while they look: fragments over sockets, in the order of the feed."""
