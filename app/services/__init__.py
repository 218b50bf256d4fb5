"""The use cases: verbs that work inside a transaction they neither opened nor end."""
