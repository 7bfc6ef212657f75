"""Django's settings, all from the environment; `docs` and clawweb/env.py name the variables."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from clawweb import env

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    DATABASES = {"default": env.database()}
    CLAWWEB_REDIS_URL = env.redis_url()
    CLAWWEB_PORT = env.whole_number("CLAWWEB_PORT", env.DEFAULT_PORT)
    CLAWWEB_DRAIN_QUEUES = env.whole_number("CLAWWEB_DRAIN_QUEUES", 4)
    CLAWWEB_MAX_EVENT_BYTES = env.whole_number("CLAWWEB_MAX_EVENT_BYTES", 8 * 2**20)
    CLAWWEB_MAX_RECORD_BYTES = env.whole_number("CLAWWEB_MAX_RECORD_BYTES", 8 * 2**20)
    CLAWWEB_MAX_BATCH = env.whole_number("CLAWWEB_MAX_BATCH", 1000)
    CLAWWEB_MAX_BODY_BYTES = env.whole_number("CLAWWEB_MAX_BODY_BYTES", 64 * 2**20)
    SECRET_KEY = env.secret_key()
except env.BadSetting as error:
    raise ImproperlyConfigured(str(error)) from None
except OSError as error:
    raise ImproperlyConfigured(
        f"The data folder {env.data_dir()} cannot be used ({error.strerror or error}); set CLAWWEB_DATA_DIR."
    ) from None

CLAWWEB_DATA_DIR = env.data_dir()
CLAWWEB_HOST = os.environ.get("CLAWWEB_HOST") or env.DEFAULT_HOST
CLAWWEB_STREAM_KEY = "clawweb:stream"

DEBUG = os.environ.get("CLAWWEB_DEBUG") == "1"

_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
_given_hosts = [h.strip() for h in os.environ.get("CLAWWEB_ALLOWED_HOSTS", "").split(",") if h.strip()]
ALLOWED_HOSTS = [*_LOOPBACK, *_given_hosts]
if CLAWWEB_HOST not in {"0.0.0.0", "::", *ALLOWED_HOSTS}:  # noqa: S104  (a comparison, nothing is bound here)
    ALLOWED_HOSTS.append(CLAWWEB_HOST)
# Behind a proxy that ends TLS, the browser's origin is https://HOST.
CSRF_TRUSTED_ORIGINS = [f"https://{h if h[0] != '.' else '*' + h}" for h in _given_hosts if h != "*"]
CLAWWEB_HTTPS = os.environ.get("CLAWWEB_HTTPS") == "1"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CLAWWEB_HTTPS else None

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "ninja",  # so that /api/docs serves its own scripts, not a CDN's
    "clawweb",
    "memory",
    "inspector",
]

MIDDLEWARE = [
    "clawweb.headers.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "clawweb.auth.SignInRequired",
]

ROOT_URLCONF = "clawweb.urls"
ASGI_APPLICATION = "clawweb.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    }
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False

# Static files are served where they lie, so that `up` needs no collecting step.
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0  # names carry no hash: the browser asks again and gets 304

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 30 * 24 * 3600  # seconds
SESSION_COOKIE_NAME = f"clawweb_session_{CLAWWEB_PORT}"  # cookies know no ports: two dashboards on one host
CSRF_COOKIE_NAME = f"clawweb_csrf_{CLAWWEB_PORT}"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CLAWWEB_HTTPS
LOGIN_URL = "/signin/"
LOGIN_REDIRECT_URL = "/"

# Views that take bodies check their own limits; this is what Django itself will read into memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = CLAWWEB_MAX_BODY_BYTES

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "django.server": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "celery": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
    },
}
