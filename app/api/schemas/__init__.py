"""The wire contract, one file per noun: a diff here is a change of the API."""
