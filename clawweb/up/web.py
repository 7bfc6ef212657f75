"""The web part: uvicorn on the socket that the supervisor holds, so a restart refuses no connection."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn


def main() -> int:
    listener = socket.socket(fileno=int(os.environ["CLAWWEB_LISTEN_FD"]))
    config = uvicorn.Config(
        "clawweb.asgi:application",
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
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
