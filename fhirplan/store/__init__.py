"""What is kept: versions, search indexes, audit and the state of the sync, in SQL."""
