"""`python -m app.cli`: the same command where it is not installed."""

from app.cli import main

main()
