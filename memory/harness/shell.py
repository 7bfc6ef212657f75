"""What a shell command reads and writes, as far as its
words say. Conservative: what is not known is volatile.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from memory.core.types import ToolKind

MAX_COMMAND: Final = 20_000  # characters looked at; a longer command is volatile
_SPLIT = frozenset({";", "&&", "||", "|", "&", "|&", "(", ")", "\n"})
_REDIRECTS = frozenset({">", ">>", ">|", "&>", "&>>"})
_READERS: Final = frozenset(
    {"cat", "head", "tail", "nl", "less", "more", "wc", "sort", "uniq", "cut", "tr", "grep", "egrep", "fgrep",
     "rg", "ag", "ls", "tree", "find", "fd", "stat", "file", "du", "diff", "cmp", "md5sum", "sha256sum", "jq",
     "yq", "awk", "sed", "xxd", "hexdump", "strings", "basename", "dirname", "realpath", "readlink", "column",
     "comm", "paste", "tac", "rev", "fold", "bat"}
)  # fmt: skip
_SILENT: Final = frozenset(
    {
        "echo",
        "printf",
        "true",
        "false",
        ":",
        "cd",
        "pushd",
        "popd",
        "set",
        "export",
        "test",
        "[",
        "sleep",
        "xargs",
    }
)
_WRITERS: Final = frozenset(
    {"mv", "rm", "cp", "touch", "mkdir", "rmdir", "ln", "tee", "chmod", "chown", "truncate",
     "install", "patch", "rsync", "unzip", "tar"}
)  # fmt: skip
_GIT_WRITES: Final = frozenset(
    {"checkout", "switch", "restore", "reset", "merge", "rebase", "pull", "stash", "revert", "cherry-pick",
     "am", "apply", "clean", "mv", "rm", "clone", "init", "submodule", "worktree"}
)  # fmt: skip
_GIT_STABLE: Final = frozenset({"show", "cat-file", "blame", "rev-parse", "ls-tree"})
_FIND_ACTS: Final = frozenset({"-delete", "-exec", "-execdir", "-ok", "-fprint"})
_FOLDERS: Final = frozenset({"ls", "tree", "find", "fd", "rg", "ag", "du", "grep", "egrep", "fgrep", "diff"})
_PATTERN_FIRST: Final = frozenset({"grep", "egrep", "fgrep", "rg", "ag", "jq", "yq", "awk", "sed", "tr"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NUMBER = re.compile(r"[+-]?\d+[a-zA-Z]?$")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_MAY_WRITE = re.compile(r"(?<![\d&>-])>>?(?!\s*(?:&|/dev/null))|\b(?:rm|mv|cp|sed -i)\b")
_QUOTED = re.compile(r"""('[^']*'|"(?:[^"\\]|\\.)*")""")


@dataclass(frozen=True, slots=True)
class Effect:
    kind: ToolKind
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def normalise(command: str, root: str = "") -> str:
    """The command with blanks outside quotes collapsed and the root's prefix taken from its paths."""
    if len(command) > MAX_COMMAND or "<<" in command:
        text = command.strip()
    else:
        parts = _QUOTED.split(command.strip())
        text = "".join(
            part if index % 2 else re.sub(r"[ \t]+", " ", part) for index, part in enumerate(parts)
        ).strip()
    if len(root) > 1:
        text = text.replace(root.rstrip("/") + "/", "")
    return text


def words(command: str) -> list[str] | None:
    """Shell words with operators as their own words; ``None`` where the quoting does not close."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def effect(command: str, cwd: str, resolve: Callable[[str, str], str]) -> Effect:
    """Kind, resources and program names of a command line. A ``cd`` inside it moves the paths after it."""
    document = _HEREDOC.search(command)
    head = command[: document.start()] if document else command
    if document:  # what follows the here-document's opening line is its text, not commands
        rest = command[document.end() :].split("\n", 1)
        head += " " + rest[0]
    parsed = words(head) if len(head) <= MAX_COMMAND else None
    if parsed is None or "$(" in head or "`" in head:
        if _MAY_WRITE.search(head):
            return Effect(ToolKind.WRITE, writes=(f"dir:{cwd}" if cwd else "workspace",))
        return Effect(ToolKind.VOLATILE)
    walk = _Walk(cwd, resolve)
    simple: list[str] = []
    for word in [*parsed, ";"]:
        if word in _SPLIT or (word and not word.strip("();|&\n")):
            walk.simple(simple)
            simple = []
        else:
            simple.append(word)
    return walk.effect()


class _Walk:
    """Collects the resources of simple commands, one after another."""

    def __init__(self, cwd: str, resolve: Callable[[str, str], str]) -> None:
        self.cwd, self.resolve = cwd, resolve
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.commands: list[str] = []
        self.volatile = False
        self.removes = False

    def effect(self) -> Effect:
        if self.writes:
            kind = ToolKind.WRITE
        elif self.volatile or not self.commands:
            kind = ToolKind.VOLATILE
        else:
            kind = ToolKind.READ
        unique = dict.fromkeys
        return Effect(
            kind, tuple(unique(self.reads)), tuple(unique(self.writes)), tuple(unique(self.commands))
        )

    def simple(self, argv: list[str]) -> None:
        argv = self._redirects(argv)
        while argv and (
            _ASSIGNMENT.match(argv[0]) or argv[0] in ("sudo", "time", "env", "command", "nohup", "!")
        ):
            argv = argv[1:]
        if not argv:
            return
        name = argv[0].rsplit("/", 1)[-1]
        self.commands.append(name)
        plain = [a for a in argv[1:] if not a.startswith("-")]
        if name == "cd":
            self.cwd = self.resolve(plain[0], self.cwd) if plain else self.cwd
        elif name == "git":
            self._git(argv[1:])
        elif name in _WRITERS or (name == "sed" and any(a.startswith(("-i", "--in-place")) for a in argv)):
            self.removes = name in ("rm", "mv", "rmdir")
            targets = plain[1:] if name in ("sed", "chmod", "chown") else plain
            self._add(self.writes, targets, whole=name in ("patch", "rsync", "unzip", "tar"))
            self.removes = False
        elif name == "find" and _FIND_ACTS.intersection(argv):
            self.volatile = True
            self.writes.append(self._here())
        elif name in _READERS:
            paths = plain[1:] if name in _PATTERN_FIRST and "-f" not in argv and "-e" not in argv else plain
            paths = [p for p in paths if not _NUMBER.match(p)]
            self._add(self.reads, paths, folders=name in _FOLDERS)
            if not paths and name in ("ls", "tree", "find", "fd", "rg", "ag", "du"):
                self._add(self.reads, ["."], folders=True)
        elif name not in _SILENT:
            self.volatile = True

    def _redirects(self, argv: list[str]) -> list[str]:
        """Takes ``> file`` and ``< file`` out of the words."""
        out: list[str] = []
        index = 0
        while index < len(argv):
            word = argv[index]
            following = argv[index + 1] if index + 1 < len(argv) else ""
            if word in _REDIRECTS or word in ("<", ">&", "<<<"):
                if out and out[-1] in ("1", "2"):
                    out.pop()
                if word in _REDIRECTS and following and not following.startswith(("/dev/", "&")):
                    self._add(self.writes, [following])
                elif word == "<" and following:
                    self._add(self.reads, [following])
                index += 2
                continue
            out.append(word)
            index += 1
        return out

    def _git(self, argv: list[str]) -> None:
        rest = list(argv)
        while rest and rest[0].startswith("-"):
            takes = rest[0] in ("-C", "-c", "--git-dir", "--work-tree")
            if rest[0] == "-C" and len(rest) > 1:
                self.cwd = self.resolve(rest[1], self.cwd)
            rest = rest[2:] if takes else rest[1:]
        verb = rest[0] if rest else ""
        if verb in _GIT_WRITES and not (
            verb in ("stash", "worktree", "submodule") and rest[1:2] in (["list"], ["show"], ["status"])
        ):
            self.writes.append(self._here())
        elif verb in _GIT_STABLE and any(re.fullmatch(r"[0-9a-f]{40}(?::.*)?", a) for a in rest[1:]):
            return  # a full object name answers the same for ever
        else:
            self.volatile = True

    def _here(self) -> str:
        """The working directory as a resource: what a command may change anywhere below it."""
        return f"dir:{self.cwd}" if self.cwd else "workspace"

    def _add(self, into: list[str], paths: list[str], whole: bool = False, folders: bool = False) -> None:
        if whole or not paths:
            if whole:
                into.append(self._here())
            return
        for path in paths:
            if into is self.writes and self.removes:
                full = self.resolve(path, self.cwd)
                into.append(f"dir:{full}")  # a folder may be meant: everything below it goes
            if "$" in path or "*" in path or "?" in path:
                into.append(self._here())
                continue
            full = self.resolve(path, self.cwd)
            last = full.rsplit("/", 1)[-1]
            into.append(f"file:{full}" if not folders or "." in last.strip(".") else f"dir:{full}")
