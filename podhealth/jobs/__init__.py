"""What workers run: thin jobs, each of which has the database looked at, and the table of what is due when."""
