"""Replays the recorded session."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clawweb.demo import local, replay
from clawweb.demo.agent.runner import free_key
from memory.client import ApiError, ClawWeb, Unreachable


class Command(BaseCommand):
    help = "Replay the recorded session through the API, as if it were happening now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--pace",
            type=float,
            help=f"seconds from one model call to the next ({replay.PACE_S}; 0: at once)",
        )
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing if there is any session of one's own"
        )
        parser.add_argument(
            "--server", default="", help="address of a running ClawWeb (default: the local one)"
        )
        parser.add_argument("--token", default="", help="an operator's API token (default: one is made here)")
        parser.add_argument(
            "--with-parent", type=int, default=0, help="end when this parent process has ended"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["server"] or local.server_url()
        data = settings.CLAWWEB_DATA_DIR
        if options["pace"] is not None:
            replay.set_pace(data, options["pace"])
        try:
            with replay.only_one(data):
                self._run(url, options)
        except replay.AlreadyRunning as error:
            raise CommandError(str(error)) from None
        except Unreachable as error:
            raise CommandError(f"{url} does not answer: {error}") from None
        except ApiError as error:
            raise CommandError(f"{url} refused: {error}") from None
        except KeyboardInterrupt:
            self.stderr.write("stopped")

    def _run(self, url: str, options: dict[str, Any]) -> None:
        data = settings.CLAWWEB_DATA_DIR
        token = options["token"] or local.own_token("demo")
        with ClawWeb(url, token, retry_for_s=replay.WAIT_FOR_SERVER_S) as claw:
            if options["if_empty"] and local.has_sessions(claw, but="agent-"):
                self.stdout.write("there are sessions already; no replay")
                return
            steps = replay.recorded_steps()
            key = free_key(claw, "demo")
            pace = options["pace"] if options["pace"] is not None else replay.PACE_S
            player = replay.Replay(
                claw,
                key,
                pace=lambda: replay.get_pace(data, pace),
                stop=local.starter_gone(options["with_parent"]),
                say=self.stderr.write,
            )
            self.stdout.write(f"replaying {len(steps)} calls as {key}")
            session = player.run(steps)
            self.stdout.write(f"done: {url}/sessions/{session.id}/")
