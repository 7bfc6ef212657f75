"""`manage.py up`: one command that runs the broker, a worker and the web server, and stops them all again.

The supervisor is standard library only and never imports Django: it stands for days and shall weigh little.
"""
