"""Record the demo again: ``python -m clawweb.demo.record [--out FOLDER] [--claude PROGRAM]``.

The real program (Claude Code, installed from npm unless ``--claude`` names one) works headless on a scratch
copy of ``sample/``, in a scratch home, against the scripted model of this package on loopback. Its tools
really run: files are read and edited, searches searched, tests executed. No account, no key and no network
beyond the installation are needed.

Needs ``tiktoken`` with the o200k_base vocabulary (``TIKTOKEN_CACHE_DIR`` names its folder where there is no
network), ``npm`` (without ``--claude``) and ``git``. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from clawweb.demo import DEMO_SESSION_ID, SUBAGENT_PATTERN
from clawweb.demo.model_server import ModelServer
from clawweb.demo.plot import plot
from clawweb.demo.script import Player, Turn
from clawweb.demo.scrub import Places, scrub

PACKAGE = "@anthropic-ai/claude-code@2.1.197"
MODEL = "claude-sonnet-4-5"
HERE = Path(__file__).resolve().parent

# The tools of the session. Fewer than the program offers, so that the fixed part of the prompt stays small.
TOOLS = "Agent,Bash,Edit,Glob,Grep,Read,TaskCreate,TaskGet,TaskList,TaskUpdate,Write"
ALLOWED = f"{TOOLS},mcp__notes__search,mcp__notes__add"

# The program compacts by itself when the prompt nears its window. The window setting cannot go below 100,000
# tokens, so the percentage brings the threshold to where a session of this length passes it.
COMPACT_WINDOW = "100000"
COMPACT_PERCENT = "60"


def install(folder: Path) -> Path:
    """Install the pinned version of the program from npm and return its path."""
    subprocess.run(
        ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", PACKAGE],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder / "node_modules" / ".bin" / "claude"


def prepare(scratch: Path) -> tuple[Path, Path]:
    """Make the scratch home and the project in it, under git; return both."""
    home = scratch / "home" / "dev"
    project = home / "tallybook"
    shutil.copytree(HERE / "sample", project, ignore=shutil.ignore_patterns("__pycache__"))
    tools = scratch / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    git = ["git", "-c", "user.name=dev", "-c", "user.email=dev@example.invalid", "-C", str(project)]
    settings = (["config", "user.name", "dev"], ["config", "user.email", "dev@example.invalid"])
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "-m", "Tallybook"],
        *settings,
    ):
        subprocess.run([*git, *arguments], check=True, env={**os.environ, "HOME": str(home)})
    return home, project


def write_configuration(scratch: Path, project: Path) -> list[str]:
    """The notes server and the session hook; returns the options that name them."""
    servers = {
        "notes": {
            "command": "python",
            "args": [str(project / "tools" / "notes_server.py"), str(project / "notes")],
        }
    }
    mcp = scratch / "mcp.json"
    mcp.write_text(json.dumps({"mcpServers": servers}))
    hook = {"type": "command", "command": "cat notes/today.md"}
    settings = scratch / "settings.json"
    settings.write_text(
        json.dumps({"hooks": {"SessionStart": [{"matcher": "startup|compact", "hooks": [hook]}]}})
    )
    return ["--mcp-config", str(mcp), "--strict-mcp-config", "--settings", str(settings)]


def environment(scratch: Path, home: Path, url: str) -> dict[str, str]:
    """All that the program gets to see of the environment."""
    return {
        "PATH": f"{scratch / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "scripted",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": COMPACT_WINDOW,
        "CLAUDE_AUTOCOMPACT_PCT_OVERRIDE": COMPACT_PERCENT,
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
    }


def run_turn(
    claude: Path, turn: Turn, first: bool, options: Sequence[str], project: Path, env: dict[str, str]
) -> dict[str, Any]:
    """Send one prompt and wait for its answer; returns what the program reports."""
    session = ["--session-id", DEMO_SESSION_ID] if first else ["--resume", DEMO_SESSION_ID]
    command = [str(claude), "-p", turn.prompt, *session, "--output-format", "json", "--model", MODEL]
    command += ["--tools", TOOLS, "--allowedTools", ALLOWED, *options]
    done = subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
    )
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(
            f"the program failed on {turn.prompt[:60]!r}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        ) from None
    return report if isinstance(report, dict) else {}


def record(claude: Path, scratch: Path, bodies: Path | None = None) -> tuple[Path, ModelServer, Places]:
    """Play the whole plot; returns the transcripts' folder, the server, and the places to scrub."""
    home, project = prepare(scratch)
    (scratch / "tmp").mkdir()
    options = write_configuration(scratch, project)
    player = Player(plot(), PurePosixPath(project))
    with ModelServer(player) as server:
        server.keep_bodies = bodies is not None
        env = environment(scratch, home, server.url)
        for number, turn in enumerate(player.plot.turns):
            player.begin(turn)
            report = run_turn(claude, turn, number == 0, options, project, env)
            cost = f"{player.served} compactions {player.compactions_done}"
            print(
                f"turn {number + 1}: {report.get('subtype')}, left {player.left()}, {cost}", file=sys.stderr
            )
            for denied in report.get("permission_denials") or []:
                player.problems.append(f"denied: {denied}")
            if report.get("is_error"):
                player.problems.append(f"turn {number + 1}: {report.get('result')}")
    if bodies is not None:
        bodies.mkdir(parents=True, exist_ok=True)
        for number, raw in enumerate(server.bodies, start=1):
            (bodies / f"{number:04}.json").write_bytes(raw)
    transcripts = home / ".claude" / "projects"
    folders = [path for path in transcripts.iterdir() if (path / f"{DEMO_SESSION_ID}.jsonl").exists()]
    if len(folders) != 1:
        raise SystemExit(f"no transcript under {transcripts}")
    return folders[0], server, Places(scratch=str(scratch), python=sys.executable, base=sys.base_prefix)


def save(lines: Sequence[bytes], path: Path) -> int:
    """Write lines compressed; returns the size of the file."""
    path.write_bytes(lzma.compress(b"".join(line + b"\n" for line in lines), preset=9 | lzma.PRESET_EXTREME))
    return path.stat().st_size


def collect(folder: Path, out: Path, places: Places) -> None:
    """Scrub the transcripts and store them in the package."""
    main = scrub((folder / f"{DEMO_SESSION_ID}.jsonl").read_bytes().splitlines(), places)
    out.mkdir(parents=True, exist_ok=True)
    print(f"session: {len(main)} records, {save(main, out / 'session.jsonl.xz')} bytes", file=sys.stderr)
    for old in out.glob(SUBAGENT_PATTERN):
        old.unlink()
    for path in sorted((folder / DEMO_SESSION_ID / "subagents").glob("agent-*.jsonl")):
        lines = scrub(path.read_bytes().splitlines(), places)
        name = SUBAGENT_PATTERN.replace("*", path.stem.removeprefix("agent-"))
        print(f"{name}: {len(lines)} records, {save(lines, out / name)} bytes", file=sys.stderr)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Record the demo session again, with the real program.")
    parser.add_argument(
        "--out", type=Path, default=HERE, help="where the recording goes (default: the package)"
    )
    parser.add_argument(
        "--claude",
        type=Path,
        help=f"the program (default: {PACKAGE} from npm, installed in a scratch folder)",
    )
    parser.add_argument(
        "--keep", type=Path, help="copy the raw transcripts and the requests here, to look at"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        scratch = Path(name).resolve()
        claude = options.claude.absolute() if options.claude else install(scratch / "npm")
        folder, server, places = record(claude, scratch, options.keep / "requests" if options.keep else None)
        if options.keep:
            shutil.copytree(folder, options.keep / "raw", dirs_exist_ok=True)
        collect(folder, options.out, places)
    for problem in server.player.problems:
        print(f"problem: {problem}", file=sys.stderr)
    raise SystemExit(1 if server.player.problems else 0)


if __name__ == "__main__":
    main()
