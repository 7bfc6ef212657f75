"""The ClawVM core: pure, deterministic, standard library only. ``step`` is the way in; see ``engine``."""

from memory.core.codec import body_to_json, canonical, decode_body, encode_body
from memory.core.dryrun import DryRun, dry_run
from memory.core.engine import new_state, reject, step, touched, trace_head
from memory.core.errors import CoreError, EventError, LogError, PolicyError, TraceError, WorkloadError
from memory.core.event_log import read_log, write_log
from memory.core.events import KINDS, Body, Event
from memory.core.outcomes import Outcome, PageView, SessionView, SideTotals, SideView
from memory.core.policies import POLICIES, Policy, find_policy
from memory.core.policy_form import read_policy
from memory.core.prompts import prompt_pages
from memory.core.replay import Replay, replay, replay_workload
from memory.core.snapshot import clone, dump_state, load_state
from memory.core.state import State
from memory.core.trace import ENGINE_VERSION
from memory.core.validation import Validator
from memory.core.verify import verify_trace
from memory.core.versions import event_version
from memory.core.views import (
    committed_fields,
    committed_text,
    grants,
    page_ids,
    page_label,
    page_view,
    project_pages,
    session_view,
)
from memory.core.workloads import Workload, read_workload, workload_events

__all__ = [
    "ENGINE_VERSION",
    "KINDS",
    "POLICIES",
    "Body",
    "CoreError",
    "DryRun",
    "Event",
    "EventError",
    "LogError",
    "Outcome",
    "PageView",
    "Policy",
    "PolicyError",
    "Replay",
    "SessionView",
    "SideTotals",
    "SideView",
    "State",
    "TraceError",
    "Validator",
    "Workload",
    "WorkloadError",
    "body_to_json",
    "canonical",
    "clone",
    "committed_fields",
    "committed_text",
    "decode_body",
    "dry_run",
    "dump_state",
    "encode_body",
    "event_version",
    "find_policy",
    "grants",
    "load_state",
    "new_state",
    "page_ids",
    "page_label",
    "page_view",
    "project_pages",
    "prompt_pages",
    "read_log",
    "read_policy",
    "read_workload",
    "reject",
    "replay",
    "replay_workload",
    "session_view",
    "step",
    "touched",
    "trace_head",
    "verify_trace",
    "workload_events",
    "write_log",
]
