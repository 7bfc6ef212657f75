"""The scripted model: it knows its script, and of the world only the prompt that it was really sent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from clawweb.demo.agent.plot import TASKS, Step
from clawweb.demo.agent.tools import Call
from memory.client import Prompt, Section

PREFERENCE_PAGE, PLAN_PAGE = "preference:style", "plan"
STYLE_MARK = "docstring must begin with the ticket number"
MAX_TRIES = 3  # turns that the model spends on bringing one page in before it works without


def file_page(path: str) -> str:
    return f"file:{path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """``opens``: pages whose handles the model opens.
    ``plan``: the plan's new text. ``done``: the task is over.
    """

    text: str
    calls: tuple[Call, ...] = ()
    opens: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    plan: str | None = None
    bad_base: bool = False
    done: bool = False


@dataclass
class Model:
    """Plays one task after another. ``rounds``: how often the whole plot was played."""

    task: int = 0
    step: int = 0
    rounds: int = 0
    fixing: str = ""  # the file that a failed style check named
    followed: list[bool] = field(default_factory=list)  # of each edit: was the preference followed?
    _tries: int = 0

    @property
    def ask(self) -> str:
        return TASKS[self.task].ask

    @property
    def current(self) -> Step:
        return TASKS[self.task].steps[self.step]

    def answer(self, prompt: Prompt) -> Answer:
        """What the model says and calls, given these bytes."""
        step = self.current
        failed = _failed_check(prompt) if step.do != "check" and not self.fixing else ""
        if failed and self._tries == 0:
            self.fixing = failed
        if self.fixing:
            return self._fix(prompt)
        missing = [path for path in step.needs if not _knows(prompt, path)]
        if missing and self._tries < MAX_TRIES:
            self._tries += 1
            return self._bring_in(prompt, missing[0], step.needs)
        answer = self._do(step, prompt)
        self._advance()
        return answer

    def _bring_in(self, prompt: Prompt, path: str, needs: tuple[str, ...] = ()) -> Answer:
        """Opens the handle that stands in the prompt, or reads the file (again) where nothing of it does."""
        keeps = tuple(file_page(other) for other in needs if other != path and _knows(prompt, other))
        section = prompt.section(file_page(path))
        if section is not None:
            text = f"I have only a {section.fidelity} of {path}; I open it."
            return Answer(text, opens=(file_page(path),), keeps=keeps)
        text = f"I do not have {path} before me; I read it."
        return Answer(text, calls=(Call("read_file", {"path": path}),), keeps=keeps)

    def _do(self, step: Step, prompt: Prompt) -> Answer:
        if step.do == "grep":
            return Answer(step.text, calls=(Call("grep", {"pattern": step.target}),))
        if step.do == "check":
            return Answer(step.text, calls=(Call("run_check", {"name": step.target}, "volatile"),))
        if step.do == "edit":
            return Answer(step.text, calls=self._edit(prompt, step))
        if step.do == "plan":
            return Answer(
                step.text, plan=_ticked(prompt.section(PLAN_PAGE), step.ticket), bad_base=step.bad_base
            )
        return Answer(step.text, done=step.do == "answer")

    def _edit(self, prompt: Prompt, step: Step) -> tuple[Call, ...]:
        section = prompt.section(file_page(step.target))
        if section is None or section.fidelity != "full":
            return (Call("read_file", {"path": step.target}),)  # nothing to edit without its text
        follows = self._follows_style(prompt)
        name = f"rule_pd{step.ticket}"
        if f"def {name}(" in section.text:
            return (Call("run_check", {"name": "modules"}, "volatile"),)
        doc = f"PD-{step.ticket}: what the ticket asks for." if follows else "What was asked for."
        code = f'\n\ndef {name}(cents: int) -> int:\n    """{doc}"""\n    return cents + {step.ticket} * 10\n'
        content = section.text + code
        return (Call("write_file", {"path": step.target, "content": content}, "write"),)

    def _follows_style(self, prompt: Prompt) -> bool:
        section = prompt.section(PREFERENCE_PAGE)
        follows = section is not None and STYLE_MARK in section.text
        self.followed.append(follows)
        return follows

    def _fix(self, prompt: Prompt) -> Answer:
        """The style check failed: look the preference up, read the file, write it as it should be."""
        self._tries += 1
        path = self.fixing
        style, section = prompt.section(PREFERENCE_PAGE), prompt.section(file_page(path))
        if self._tries <= MAX_TRIES and (style is None or STYLE_MARK not in style.text):
            return Answer(
                "The check names a preference that I do not see; I open it.", opens=(PREFERENCE_PAGE,)
            )
        if section is None or section.fidelity != "full":
            if self._tries <= 2 * MAX_TRIES:
                return self._bring_in(prompt, path)
            self._end_fix()
            return Answer(f"I cannot get {path} before me; I leave the style as it is and say so.")
        self._end_fix()
        fixed = re.sub(
            r'(def \w+_pd(\d+)\(.*?\n    """)(?!PD-)(What was asked for\.)',
            r"\1PD-\2: what was asked for.",
            section.text,
        )
        calls = (
            Call("write_file", {"path": path, "content": fixed}, "write"),
            Call("run_check", {"name": "style"}, "volatile"),
        )
        return Answer("I put the ticket's number first, as the preference says.", calls=calls)

    def _end_fix(self) -> None:
        self.fixing, self._tries = "", 0

    def _advance(self) -> None:
        self._tries = 0
        self.step += 1
        if self.step < len(TASKS[self.task].steps):
            return
        self.step = 0
        self.task += 1
        if self.task == len(TASKS):
            self.task = 0
            self.rounds += 1


def _knows(prompt: Prompt, path: str) -> bool:
    section = prompt.section(file_page(path))
    return section is not None and section.fidelity == "full"


def _failed_check(prompt: Prompt) -> str:
    """The file that the newest style check in the prompt complains about; '' where it is content."""
    section = prompt.section("check:style")
    if section is None:
        return ""
    found = re.search(r"(parcel/\w+\.py):\d+: \w+ does not begin with its ticket", section.text)
    return found[1] if found else ""


def _ticked(section: Section | None, ticket: int) -> str:
    """The plan with a ticket ticked, as far as the model can see the plan."""
    text = section.text if section is not None else f"- [ ] PD-{ticket}\n"
    if f"- [ ] PD-{ticket}" not in text:
        text = f"{text.rstrip()}\n- [ ] PD-{ticket} (from memory)\n"
    return text.replace(f"- [ ] PD-{ticket}", f"- [x] PD-{ticket}").replace(
        f"Current step: PD-{ticket}", "Current step: the next open ticket"
    )
