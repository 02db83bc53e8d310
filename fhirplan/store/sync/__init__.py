"""Keeps what the sync knows: links, outbox, conflicts, receipts, checkpoints and how each EHR stands."""
