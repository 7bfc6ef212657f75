"""What Celery's Redis transport lacks for a broker that is killed."""

from __future__ import annotations

from kombu.transport import redis, virtual


class ForgetfulQoS(redis.QoS):
    """Counts a message as done even where the broker did not hear of it.

    kombu keeps a message whose acknowledgement failed as "in work" for ever. A worker that takes one message
    at a time then never asks for another one, nor notices that its connection is gone. The broker will
    deliver the message again; drains may be repeated.
    """

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def install() -> None:
    """Makes it the transport's own: a URL with ``+socket`` leaves no other place to name it."""
    redis.Channel.QoS = ForgetfulQoS
