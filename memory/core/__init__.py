"""The ClawVM core: pure, deterministic, standard library only. Start at ``engine``."""

from memory.core.codec import decode_body, encode_body

__all__ = ["decode_body", "encode_body"]
