"""The web part: uvicorn on the socket that the supervisor holds, so a restart refuses no connection.

Run by itself (`python -m clawweb.up.web`) it listens on CLAWWEB_HOST and CLAWWEB_PORT.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from clawweb import env


def main() -> int:
    given = os.environ.get("CLAWWEB_LISTEN_FD")
    sockets = [socket.socket(fileno=int(given))] if given else None
    config = uvicorn.Config(
        "clawweb.asgi:application",
        host=os.environ.get("CLAWWEB_HOST") or env.DEFAULT_HOST,
        port=env.whole_number("CLAWWEB_PORT", env.DEFAULT_PORT),
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # half the memory of a socket; fragments are small
        lifespan="on",
        access_log=False,
        log_level="warning",
        proxy_headers=os.environ.get("CLAWWEB_HTTPS") == "1",
        server_header=False,
        timeout_graceful_shutdown=1,  # seconds; browsers reconnect by themselves
    )
    server = uvicorn.Server(config)
    server.run(sockets=sockets)
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
