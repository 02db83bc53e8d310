"""Carries out the entries of transactions and batches."""
