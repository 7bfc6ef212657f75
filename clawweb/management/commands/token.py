"""API tokens: create, list, revoke."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from memory import store
from memory.models import ApiToken, Project, Role


class Command(BaseCommand):
    help = "Create, list and revoke API tokens. A token's secret is printed once, and only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("do", choices=("create", "list", "revoke"))
        parser.add_argument("name", nargs="?", default="", help="what the token is called")
        parser.add_argument(
            "--role", choices=Role.values, default=Role.OPERATOR.value, help="what it may (operator)"
        )
        parser.add_argument("--project", default="default", help="slug of its project (default)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["do"] == "list":
            self._list(options["project"])
            return
        if not options["name"].strip():
            raise CommandError("a name is needed")
        (self._create if options["do"] == "create" else self._revoke)(options)

    def _create(self, options: dict[str, Any]) -> None:
        name, project = options["name"], options["project"]
        if project == "default":
            store.ensure_project("default", "Default")
        if not Project.objects.filter(slug=project).exists():
            raise CommandError(f"there is no project {project!r}")
        if _good(project).filter(name=name).exists():
            raise CommandError(f"the project has a token {name!r}; revoke it first, or choose another name")
        secret = store.create_token(project, name, options["role"])
        self.stderr.write(f"token {name!r} of project {project}, role {options['role']}; shown only now:")
        self.stdout.write(secret)

    def _list(self, project: str) -> None:
        for row in ApiToken.objects.filter(project__slug=project).order_by("created_at"):
            used = f"used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
            state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else used
            self.stdout.write(f"{row.name}\t{row.role}\tcreated {row.created_at:%Y-%m-%d %H:%M}\t{state}")

    def _revoke(self, options: dict[str, Any]) -> None:
        count = _good(options["project"]).filter(name=options["name"]).update(revoked_at=timezone.now())
        if not count:
            raise CommandError(f"the project {options['project']} has no good token {options['name']!r}")
        self.stdout.write(f"revoked: {options['name']}")


def _good(project: str) -> Any:
    return ApiToken.objects.filter(project__slug=project, revoked_at=None)
