"""Prepared data to learn with: a store and a ledger with a known story, from a fixed seed."""
