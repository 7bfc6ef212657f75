"""Helpers for tests: waiting with a deadline, and the real processes."""
