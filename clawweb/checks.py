"""System checks: what is set in a way that cannot work, with a hint."""
