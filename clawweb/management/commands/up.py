"""Lists `up` among the commands; manage.py itself runs it without Django."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clawweb.up.__main__ import main


class Command(BaseCommand):
    help = "Start ClawWeb: broker, worker and web server, until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("options", nargs="*", help="see `manage.py up --help`")

    def handle(self, *args: Any, **options: Any) -> None:
        if main(options["options"]):
            raise CommandError("ClawWeb did not start.")
