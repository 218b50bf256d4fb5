"""The rules: what is true about accounts, users and promises; no I/O, no clock, no randomness."""
