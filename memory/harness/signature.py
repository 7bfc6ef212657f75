"""Canonical tool signatures, and what a call reads and writes.

A signature is ``sig1:<tool>:<canonical arguments>``, hashed when it grows long. Arguments have sorted keys;
values that do not change the answer (descriptions, timeouts) are removed by a rule of the tool, blanks are
normalised where they mean nothing, and paths are resolved against the working directory and written relative
to the session's root. Two calls of one signature ask the same question; whether the answer may have changed
is for ``kind``, ``reads`` and ``writes`` to say.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass
from typing import Any, Final

from memory.core.types import ToolKind
from memory.harness import shell

VERSION: Final = "sig1"
MAX_SIGNATURE: Final = 200  # characters; a longer one is hashed
MAX_RESOURCES: Final = 64  # of one call; beyond it the call touches the workspace

#: Arguments that never change what a call answers.
_VOLATILE: Final[dict[str, frozenset[str]]] = {
    "bash": frozenset({"description", "timeout", "run_in_background", "dangerouslyDisableSandbox"}),
    "task": frozenset({"description"}),
    "agent": frozenset({"description"}),
}
_VOLATILE_ANY: Final = frozenset(
    {"tool_use_id", "toolUseId", "call_id", "callId", "request_id", "requestId", "timestamp", "activeForm"}
)
_PATH_KEYS: Final = frozenset(
    {"file_path", "path", "notebook_path", "filename", "file", "filePath", "file_text_path"}
)
_READ_TOOLS: Final = frozenset({"read", "read_file", "view", "cat", "notebookread", "open"})
_SEARCH_TOOLS: Final = frozenset(
    {"grep", "glob", "ls", "find", "search", "list_files", "grep_search", "list_directory"}
)
_EDIT_TOOLS: Final = frozenset(
    {
        "edit",
        "multiedit",
        "write",
        "notebookedit",
        "write_file",
        "replace",
        "edit_file",
        "create",
        "str_replace",
        "apply_patch",
    }
)
_SHELL_TOOLS: Final = frozenset({"bash", "shell", "exec", "exec_command", "run_shell_command", "local_shell"})
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "read": {"offset": 1},
    "edit": {"replace_all": False},
    "grep": {"output_mode": "files_with_matches", "head_limit": 0, "multiline": False},
}


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a tool call by its arguments alone."""

    signature: str
    kind: ToolKind
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    path: str = ""  # the one file it is about, relative to the root where it lies under it
    commands: tuple[str, ...] = ()  # names of the programs a shell call runs


def resolve(path: str, cwd: str) -> str:
    """An absolute, normalised POSIX path (relative where ``cwd`` is unknown); ``~`` stays as it is."""
    path = path.strip().replace("\\", "/") if "\\" in path and ":" in path[:3] else path.strip()
    if not path.startswith(("/", "~")) and path[1:2] != ":":
        path = posixpath.join(cwd, path) if cwd else path
    return posixpath.normpath(path) if path else path


def relative(path: str, root: str) -> str:
    """The path below ``root``, or the path itself where it lies elsewhere."""
    if root and path == root:
        return "."
    prefix = root.rstrip("/") + "/"
    return path[len(prefix) :] if root and path.startswith(prefix) else path


def signature(tool: str, args: dict[str, Any], cwd: str = "", root: str | None = None) -> str:
    """The canonical signature of a call; paths are written relative to ``root`` (default: ``cwd``)."""
    base = cwd if root is None else root
    name = tool.lower()
    drop = _VOLATILE.get(name, frozenset()) | _VOLATILE_ANY
    defaults = _DEFAULTS.get(name, {})
    kept: dict[str, Any] = {}
    for key in sorted(map(str, args)):
        value = args.get(key)
        if key in drop or value is None or defaults.get(key, ...) == value:
            continue
        if isinstance(value, str):
            if key in _PATH_KEYS:
                value = relative(resolve(value, cwd), base)
            elif name in _SHELL_TOOLS and key in ("command", "cmd"):
                value = shell.normalise(value, base)
            elif key in ("query", "url", "pattern", "subject"):
                value = value.strip()
        kept[key] = value
    text = json.dumps(kept, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    if len(text) > MAX_SIGNATURE:
        text = text[:60] + "#" + hashlib.sha256(text.encode()).hexdigest()[:24]
    return f"{VERSION}:{''.join(c for c in tool if c.isprintable())[:80]}:{text}"


def describe(tool: str, args: dict[str, Any], cwd: str = "", root: str | None = None) -> Call:
    """Signature, kind and resources of a call. An unknown tool
    is volatile: its repeat is never held against anybody.
    """
    name = tool.lower()
    sig = signature(tool, args, cwd, root)
    base = cwd if root is None else root
    path = next(
        (str(args[k]) for k in ("file_path", "notebook_path", "path", "filePath", "file") if args.get(k)), ""
    )
    full = resolve(path, cwd) if path else ""
    shown = relative(full, base) if full else ""
    if name in _READ_TOOLS and full:
        return Call(sig, ToolKind.READ, (f"file:{full}",), path=shown)
    if name in _EDIT_TOOLS:
        return Call(sig, ToolKind.WRITE, writes=(f"file:{full}" if full else "workspace",), path=shown)
    if name in _SEARCH_TOOLS:
        return Call(sig, ToolKind.READ, (_searched(full or cwd),), path=shown)
    if name in _SHELL_TOOLS:
        return _shell(sig, args, cwd)
    if name == "webfetch" and args.get("url"):
        # Claude Code answers the same address from a cache of fifteen minutes, but the page itself may
        # change.
        return Call(sig, ToolKind.VOLATILE, (f"url:{args['url']}",))
    if name == "skill":
        return Call(sig, ToolKind.READ)
    return Call(sig, ToolKind.VOLATILE)


def _searched(path: str) -> str:
    """What a search depends on: a name with a suffix is taken for a file, anything else for a folder."""
    if not path:
        return "workspace"
    last = path.rsplit("/", 1)[-1]
    return f"file:{path}" if "." in last.strip(".") else f"dir:{path}"


def _shell(sig: str, args: dict[str, Any], cwd: str) -> Call:
    command = args.get("command", args.get("cmd", ""))
    if isinstance(command, list):
        command = " ".join(
            map(str, command[2:] if command[:2] in (["bash", "-lc"], ["sh", "-c"]) else command)
        )
    effect = shell.effect(str(command), cwd, resolve)
    reads, writes = effect.reads, effect.writes
    if len(reads) > MAX_RESOURCES:
        reads = ("workspace",)
    if len(writes) > MAX_RESOURCES:
        writes = ("workspace",)
    return Call(sig, effect.kind, reads, writes, commands=effect.commands)
