"""What ``docs/events.md`` says of the journal; its limits are the code's own."""
# ruff: noqa: E501

from __future__ import annotations

from typing import Final

from memory.core.codec import MAX_VALIDATORS
from memory.core.journal import MAX_ENTRIES
from memory.core.merging import MAX_BYTES, MAX_MERGED, MAX_PAGE_BYTES
from memory.core.validation import MAX_FIELD, MAX_VALUE_BYTES

JOURNAL: Final = f"""## The journal

`write_staged` puts a typed update into the journal; a boundary at which the policy writes back validates each, in
the order in which they came and against what the commits before it left, and commits or parks it. What is only
marked dirty is one implied update that is valid, after those. The first check that fails gives the reason:

| reason | validator | what it asks |
| --- | --- | --- |
| `SCHEMA_INVALID` | `schema` | a field of 1 to {MAX_FIELD} characters, a value that is not null and takes at most {MAX_VALUE_BYTES} bytes as canonical JSON |
| `PROVENANCE_UNRESOLVED` | `provenance` | `evidence_ref` names a page that is known when the update is validated, also one that left the table |
| `SCOPE_DENIED` | `scope` | the page's scope, and one of the session's `grants` |
| `DESTRUCTIVE_OP` | `version` | `append`, `merge`, or `set_with_version` based on the last committed version |
| `POLICY_DENIED` | `pin` | of a hard-pinned page `pin` stays hard and `min_fidelity` is no lower; a value that is neither counts as lower |
| `POLICY_DENIED` | `rule:NAME` | the session's `write_rules`, in their order |
| `POLICY_DENIED` | `plugin:NAME` | the validators, by name: required by the session, registered in the process (`new_state(validators=…)`), or heard in a `write_judged` |

In outcomes and trace every update is `validated` (with the reason, the validator and its words, and `all` where all
passed) and then `committed` or `rejected`. A rejected one is parked: it stays until an operator answers it
(`write_resolved`), and its page is not dirty because of it.

- A commit raises the page's version and writes the value into the page's field: `set_with_version` sets it; `append`
  joins texts, lengthens a list, and makes a list of anything else; `merge` goes through objects key by key, adds to a
  list what is not in it, and else sets; it goes into no field of more than {MAX_MERGED} bytes. The fields of a page take at most {MAX_PAGE_BYTES} bytes, a session's
  {MAX_BYTES} (beyond it: `SCHEMA_INVALID`). What the model reads are a page's representations, which only page events change.
- A logged verdict holds: a validator that spoke in the log is not asked again, so a replay looks at nothing outside.
  One that is required and has not spoken parks the update, so that no boundary can lose it; when the last verdict
  that it waits for comes and allows it, the update is staged again, at the journal's end.
- The same update delivered again (same id, same content) changes nothing; the same id with other content is refused.
- Of an update that an operator's restore staged, the rules and validators are not asked.
- At most {MAX_ENTRIES} updates are staged or parked at one time, and one has at most {MAX_VALIDATORS} verdicts. Ids that
  begin with `implied:` or `restore:` are the engine's.

Pages of project scope: a commit in one session is appended as `project_commit` to every other live session of the
project that has the page, and to one that creates it, or is resumed, later. There the version moves. The text is taken
over where the session is enforced and the page has nothing unwritten; else the working copy stays, its own update is
then based on an older version, and the next boundary parks it as `DESTRUCTIVE_OP`. Of two commits that cross, the one
stored first stands; the other's text, and each field in which it differs, are parked when the first one's event comes:
whatever was committed above its `base_version`. An approved text is the one that was parked, also where another stands
by then. What a session that may not write scope `project` commits stays in that session, but for what an operator
approved; the project's next commit parks it there.
"""
