"""HTTP: a WSGI application over the services."""
