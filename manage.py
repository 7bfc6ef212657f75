#!/usr/bin/env python3
"""Runs ClawWeb's commands: `python manage.py up` starts everything."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawweb.settings")
    if sys.argv[1:2] == ["up"]:
        # `up` watches its parts for days: it must not keep Django in memory.
        from clawweb.up.__main__ import main as up

        sys.exit(up(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
