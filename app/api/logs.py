"""One line of JSON per thing worth telling, on standard error: what is in it cannot break or colour the line."""

import logging
import sys

import orjson
import structlog


def configure(level: str) -> None:
    """Write what is at least as severe as `level`; for a process that serves, not for tests."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(threshold, logging.INFO), format="%(asctime)s %(levelname)s %(name)s %(message)s")
