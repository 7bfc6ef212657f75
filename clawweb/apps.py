from django.apps import AppConfig


class ClawWebConfig(AppConfig):
    name = "clawweb"
    verbose_name = "ClawWeb"

    def ready(self) -> None:
        from clawweb import checks  # noqa: F401  (registers the system checks)
        from clawweb.celery import app  # noqa: F401  (so that tasks bind to our app in every process)
