"""Calls to other people's servers: the only room that knows the HTTP client, and the guard around it."""
