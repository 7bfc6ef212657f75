"""Claude Code's transcripts (``~/.claude/projects/<folder>/<uuid>.jsonl``, 2.0 to 2.1), read only."""

from memory.harness.claude_code.adapter import ClaudeCode

__all__ = ["ClaudeCode"]
