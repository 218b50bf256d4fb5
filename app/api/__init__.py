"""HTTP in: everything that knows FastAPI, status codes and headers."""
