"""Every query and every transaction, a file a use. Functions take a Connection; callers open the transaction."""
