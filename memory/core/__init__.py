"""The ClawVM core: pure, deterministic, standard library only. ``step`` is the way in; see ``engine``."""

from memory.core.codec import body_to_json, canonical, decode_body, encode_body
from memory.core.dryrun import DryRun, dry_run
from memory.core.engine import new_state, reject, step, touched, trace_head
from memory.core.errors import CoreError, EventError, LogError, TraceError, WorkloadError
from memory.core.events import KINDS, Body, Event
from memory.core.outcomes import Outcome, PageView, SessionView, SideTotals, SideView
from memory.core.policies import POLICIES, Policy, find_policy
from memory.core.snapshot import clone, dump_state, load_state
from memory.core.state import State
from memory.core.trace import ENGINE_VERSION
from memory.core.views import page_ids, page_label, page_view, session_view
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
    "SessionView",
    "SideTotals",
    "SideView",
    "State",
    "TraceError",
    "Workload",
    "WorkloadError",
    "body_to_json",
    "canonical",
    "clone",
    "decode_body",
    "dry_run",
    "dump_state",
    "encode_body",
    "find_policy",
    "load_state",
    "new_state",
    "page_ids",
    "page_label",
    "page_view",
    "read_workload",
    "reject",
    "session_view",
    "step",
    "touched",
    "trace_head",
    "workload_events",
]
