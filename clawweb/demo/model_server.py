"""A scripted Messages API on loopback: streams a `Player`'s answers, with usage counted from the request.

The prompt is counted block by block (tool definitions, system blocks, blocks of messages) with the o200k_base
vocabulary. The cache split follows the API's rule: what stands before the last ``cache_control`` mark is read
from the cache as far as it equals the same conversation's previous request, and written to it beyond that;
what stands after the mark is plain input.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import tiktoken

from clawweb.demo.script import Answer, Player

# Tokens that a chat format spends on opening the answer; keeps ``input_tokens`` above zero as the API does.
_ANSWER_FRAME = 3


@dataclass(frozen=True)
class Block:
    """One countable piece of a request: its text, and whether the prompt up to it is to be cached."""

    text: str
    cached: bool


def prompt_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The pieces of a prompt, in the order in which the API puts them together: tools, system, messages."""
    pieces: list[tuple[str, Any]] = [("", tool) for tool in body.get("tools") or []]
    system = body.get("system") or []
    pieces += [("", part) for part in ([{"text": system}] if isinstance(system, str) else system)]
    for message in body.get("messages") or []:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        pieces += [(f"{message.get('role')}\n", part) for part in parts]
    blocks: list[Block] = []
    for prefix, part in pieces:
        kept = {key: value for key, value in part.items() if key != "cache_control"}
        plain = kept.get("text") if set(kept) <= {"type", "text"} else None
        text = plain if isinstance(plain, str) else json.dumps(kept, ensure_ascii=False, sort_keys=True)
        blocks.append(Block(prefix + text, "cache_control" in part))
    return blocks


@dataclass
class Meter:
    """Counts prompts and remembers each conversation's last one, for the cache split."""

    count: Callable[[str], int]
    _known: dict[str, int] = field(default_factory=dict)
    _before: dict[str, list[str]] = field(default_factory=dict)

    def tokens(self, text: str) -> int:
        """Tokens of a text; a request repeats most of the one before, so counts are kept."""
        if text not in self._known:
            self._known[text] = self.count(text)
        return self._known[text]

    def usage(self, conversation: str, body: Mapping[str, Any]) -> dict[str, int]:
        """The input side of the usage record of a request."""
        blocks = prompt_blocks(body)
        marks = [index for index, block in enumerate(blocks) if block.cached]
        end = marks[-1] + 1 if marks else 0
        before = self._before.get(conversation, [])
        same = 0
        while same < min(end, len(before)) and blocks[same].text == before[same]:
            same += 1
        sizes = [self.tokens(block.text) for block in blocks]
        self._before[conversation] = [block.text for block in blocks[:end]]
        return {
            "input_tokens": sum(sizes[end:]) + _ANSWER_FRAME,
            "cache_read_input_tokens": sum(sizes[:same]),
            "cache_creation_input_tokens": sum(sizes[same:end]),
        }

    def output(self, answer: Answer) -> int:
        """Tokens of an answer."""
        total = 0
        for block in answer.blocks:
            kind = block["type"]
            text = block[kind] if kind in ("text", "thinking") else block["name"] + json.dumps(block["input"])
            total += self.tokens(text)
        return max(1, total)


def o200k_counter() -> Callable[[str], int]:
    """Count tokens with o200k_base; tiktoken finds the vocabulary through its own environment variable."""
    encoding = tiktoken.get_encoding("o200k_base")
    return lambda text: len(encoding.encode_ordinary(text))


def _deltas(block: Mapping[str, Any], number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a content block is streamed: the opening, and what follows."""
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": block["text"]}]
    if kind == "thinking":
        # The real signature is opaque to everyone but the API; any string will do here.
        return {"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": f"scripted-{number}"},
        ]
    opening = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
    return opening, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]


class ModelServer:
    """The server and what it has seen. A context manager; `url` is what the program gets as its base URL."""

    def __init__(self, player: Player, count: Callable[[str], int] | None = None) -> None:
        self.player = player
        self.meter = Meter(count or o200k_counter())
        self.seen: list[dict[str, Any]] = []
        self.keep_bodies = False
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()
        self._number = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The base URL, on a free port of loopback."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> ModelServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def events(self, raw: bytes) -> list[tuple[str, dict[str, Any]]]:
        """The event stream that answers a request body."""
        body = json.loads(raw)
        with self._lock:
            self._number += 1
            number = self._number
            if self.keep_bodies:
                self.bodies.append(raw)
            kind, key = self.player.classify(body)
            usage = self.meter.usage(key if kind != "side" else f"side{number}", body)
            answer = self.player.answer(body)
            output = self.meter.output(answer)
            self.seen.append({"kind": kind, "model": body.get("model"), "output_tokens": output, **usage})
        message = {
            "id": f"msg_demo{number:05d}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        }
        stream: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": message})]
        for index, block in enumerate(answer.blocks):
            opening, deltas = _deltas(block, number)
            stream.append(("content_block_start", {"index": index, "content_block": opening}))
            stream += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
            stream.append(("content_block_stop", {"index": index}))
        delta = {"stop_reason": answer.stop_reason, "stop_sequence": None}
        stream.append(("message_delta", {"delta": delta, "usage": {**usage, "output_tokens": output}}))
        stream.append(("message_stop", {}))
        return stream

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: the recorder reports what was seen."""

            def do_GET(self) -> None:
                self.send_error(404)

            do_HEAD = do_GET

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                if not self.path.split("?")[0].endswith("/v1/messages"):
                    self.send_error(404)
                    return
                stream = server.events(raw)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for name, data in stream:
                    text = json.dumps({"type": name, **data}, ensure_ascii=False)
                    self.wfile.write(f"event: {name}\ndata: {text}\n\n".encode())
                self.close_connection = True

        return Handler
