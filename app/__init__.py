"""Steward: who owns each account, how it is doing, and who needs to know."""
