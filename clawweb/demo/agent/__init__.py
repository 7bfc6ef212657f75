"""The enforced agent: real tools on a scratch folder, a scripted model, every prompt asked from ClawWeb.

`run_agent` plays it against the public API through `memory.client`. The model knows its script and what
stands in the prompt that it really got, nothing else: a file whose page is not there is opened or read
again, a preference that is not there is not followed. So pinning a page changes what the agent does.
"""

from __future__ import annotations

from clawweb.demo.agent.runner import Agent, run_agent

__all__ = ["Agent", "run_agent"]
