"""Reading what senders post, in whatever dialect: from bytes to plain messages, each judged on its own."""
