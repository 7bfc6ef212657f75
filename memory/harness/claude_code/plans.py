"""The plan, as one page with versions: to-do lists, the task tools, and plan mode."""

from __future__ import annotations

import re
from typing import Any

_BOX = {"completed": "[x]", "in_progress": "[>]", "deleted": ""}
_TASK_ID = re.compile(r"#(\S+?)[:\s]")


class Plan:
    """Keeps the steps and renders the page's text; ``None`` where a call does not change the plan."""

    def __init__(self) -> None:
        self.goal = ""
        self.tasks: dict[str, dict[str, str]] = {}

    def call(self, tool: str, args: dict[str, Any]) -> str | None:
        """The plan's new text where the call alone makes it."""
        if tool == "TodoWrite" and isinstance(args.get("todos"), list):
            lines = []
            for todo in args["todos"]:
                if isinstance(todo, dict):
                    box = _BOX.get(str(todo.get("status")), "[ ]")
                    lines.append(f"{box} {todo.get('content') or todo.get('subject') or ''}")
            return self._text(lines)
        if tool == "ExitPlanMode" and isinstance(args.get("plan"), str) and args["plan"].strip():
            return str(args["plan"])
        return None

    def result(self, tool: str, args: dict[str, Any], text: str, structured: Any) -> str | None:
        """The plan's new text after a task tool has answered (a task's number is in the answer)."""
        if tool == "TaskCreate":
            task = structured.get("task") if isinstance(structured, dict) else None
            found = _TASK_ID.search(text)
            number = (
                str(task["id"])
                if isinstance(task, dict) and "id" in task
                else found.group(1)
                if found
                else ""
            )
            if not number:
                return None
            self.tasks[number] = {"subject": str(args.get("subject", "")), "status": "pending"}
        elif tool == "TaskUpdate":
            task = self.tasks.get(str(args.get("taskId", "")))
            if task is None:
                return None
            before = dict(task)
            for key in ("subject", "status"):
                if isinstance(args.get(key), str):
                    task[key] = args[key]
            if task == before:
                return None
        else:
            return None
        lines = [
            f"{_BOX.get(task['status'], '[ ]')} #{number} {task['subject']}"
            for number, task in self.tasks.items()
            if task["status"] != "deleted"
        ]
        return self._text(lines)

    def _text(self, lines: list[str]) -> str:
        head = [f"Goal: {self.goal}"] if self.goal else []
        return "\n".join([*head, *lines])
