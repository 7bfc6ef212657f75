"""Is a part ready? Plain sockets: an HTTP client would cost the supervisor its leanness."""

from __future__ import annotations

import socket
from pathlib import Path

PROBE_TIMEOUT_SECONDS = 1.0


def broker_answers(path: Path) -> bool:
    """True when the server on the unix socket answers PING, were it by asking for a password."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PROBE_TIMEOUT_SECONDS)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def web_answers(address: tuple[str, int]) -> bool:
    """True when the web server answers its health address with 200."""
    try:
        with socket.create_connection(address, timeout=PROBE_TIMEOUT_SECONDS) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
