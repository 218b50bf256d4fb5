"""What is said when a server of our own cannot be started: one sentence for a person, with the way out."""


class CannotStart(Exception):
    """An embedded server cannot be started; the message says why and what to do."""
