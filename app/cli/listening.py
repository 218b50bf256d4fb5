"""The address the API listens on, taken before anything else is started, so that a taken port is said at once.

The socket belongs to `steward start` and is handed to the web process: when that one is started again, callers wait a
moment instead of being refused.
"""

import errno
import socket

from app.cli.trouble import MISUSED, fail

REASONS = {
    errno.EADDRINUSE: "it is taken by another program; choose another with --port (0 lets the system choose)",
    errno.EACCES: "this user may not use it; choose one above 1023 with --port",
    errno.EADDRNOTAVAIL: "this machine does not have that address; choose another with --host",
}


def bind(host: str, port: int) -> socket.socket:
    """Take the address, or say why it cannot be had and exit with 2."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except socket.gaierror as error:
        fail(f"cannot listen on {host}: {error.strerror}; choose another with --host", MISUSED)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror)
        fail(f"cannot listen on {host}, port {port}: {reason}.", MISUSED)
    return taken


def is_free(host: str, port: int) -> bool:
    """Whether the address could be taken now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def url(taken: socket.socket) -> str:
    """How a person on this machine reaches it."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - named, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
