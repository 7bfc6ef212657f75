"""Runs the scripted, enforced agent."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clawweb.demo import local, replay
from memory.client import ApiError, ClawWeb, Prompt, PromptTimeout, Unreachable


class Command(BaseCommand):
    help = "Run the scripted agent: real tools on a scratch folder, every prompt asked from ClawWeb."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--server", default="", help="address of a running ClawWeb (default: the local one)"
        )
        parser.add_argument("--token", default="", help="an operator's API token (default: one is made here)")
        parser.add_argument("--pace", type=float, default=1.5, help="seconds between two turns (1.5)")
        parser.add_argument("--turns", type=int, default=200, help="turns to play, 0: until stopped (200)")
        parser.add_argument("--budget", type=int, default=4000, help="tokens for pages (4000)")
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing if there is any session of one's own"
        )
        parser.add_argument(
            "--with-parent", type=int, default=0, help="end when this parent process has ended"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from clawweb.demo.agent.start import LOCK

        url = options["server"] or local.server_url()
        try:
            with replay.only_one(settings.CLAWWEB_DATA_DIR, name=LOCK):
                self._run(url, options)
        except replay.AlreadyRunning as error:
            raise CommandError(str(error)) from None
        except (Unreachable, PromptTimeout) as error:
            raise CommandError(f"{url} does not answer: {error}") from None
        except ApiError as error:
            raise CommandError(f"{url} refused: {error}") from None
        except KeyboardInterrupt:
            self.stderr.write("stopped")

    def _run(self, url: str, options: dict[str, Any]) -> None:
        from clawweb.demo.agent import run_agent

        token = options["token"] or local.own_token("agent")
        with ClawWeb(url, token, retry_for_s=600) as claw:
            if options["if_empty"] and local.has_sessions(claw, but="demo-"):
                self.stdout.write("there are sessions already; no agent")
                return
        session = run_agent(
            url,
            token,
            turns=options["turns"] or None,
            pace_s=max(0.0, options["pace"]),
            budget=options["budget"],
            on_turn=self._tell,
            should_stop=local.starter_gone(options["with_parent"]),
        )
        self.stdout.write(f"done: {url}/sessions/{session.id}/")

    def _tell(self, turn: int, prompt: Prompt, answer: Any) -> None:
        self.stdout.write(
            f"turn {turn}: {prompt.tokens} tokens in {len(prompt.sections)} pages. {answer.text}"
        )
