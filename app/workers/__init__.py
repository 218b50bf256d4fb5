"""Work for later: the second door, beside the API."""
