"""The whole plot: the turns in order, and what the compactions' summaries leave out.

Which turn an automatic compaction falls into depends on the size of the prompts; the steps after it do not
need it at a certain place. The manual one is a turn of its own.
"""

from __future__ import annotations

from clawweb.demo.plot_after import (
    DELETION_COMPLAINT,
    LEDGER_STEP,
    LOST,
    MIGRATION_COMPLAINT,
    STORNO_STEP,
    THROTTLE_STEP,
)
from clawweb.demo.plot_before import PASSWORD_STEP, START, SURVEY, SURVEY_STEP, TOKEN_STEP
from clawweb.demo.plot_end import (
    LAST_STEP,
    LOST_AGAIN,
    LOST_LATE,
    REPORT_STEP,
    REVIEW_STEP,
    ROUNDING_COMPLAINT,
    ROUNDING_STEP,
    RULES_STEP,
)
from clawweb.demo.script import Compaction, Plot, Turn

# Leaves out: rules 1 and 3, the task list, the note about STORNO, the sub-agent's findings but one.
FIRST_SUMMARY = """<analysis>
The user works through the steps of PLAN.md. Two are done and committed; the third is next.
</analysis>

<summary>
1. Primary request: follow up the security review of tallybook, step by step as in PLAN.md, with tests for
   each requirement.
2. Done: tokens (HMAC-SHA-256 with prefix v2$, old SHA-1 rows stay valid until they expire), passwords
   (scrypt, upgraded at login). Both are committed. Tests: tests/test_tokens.py, tests/test_passwords.py.
3. Files: tallybook/auth/tokens.py, tallybook/auth/passwords.py, tallybook/auth/sessions.py.
4. The user wants all the tests to run before something is called done, and the columns of the statement
   CSV to stay.
5. Known: test_percent_of_small_amounts fails, and failed before.
6. Open: throttling (step 3), splitting tallybook/ledger/entries.py (account_id is needed by all parts),
   rounding, month boundary.
7. Next: wait for the user to start step 3.
</summary>"""

# Leaves out: rule 2 (run all the tests), where the decisions stand.
SECOND_SUMMARY = """<analysis>
Steps 1 to 3 of PLAN.md are done, the ledger is being dealt with.
</analysis>

<summary>
1. Primary request: the steps of PLAN.md for tallybook.
2. Done: tokens, passwords, throttling (table login_failures, migration 0005). Migrations that exist are never
   edited: the user was angry about that.
3. In work or done: tallybook/ledger split into accounts, postings, balances, statements.
4. Open: rounding of percentages (tallybook/ledger/money.py), month boundary (tallybook/reports).
5. Next: go on with the request that was under way.
</summary>"""

# Leaves out: the layout of the code, most file contents.
THIRD_SUMMARY = """<analysis>
Nearly everything is done. The last steps are under way.
</analysis>

<summary>
1. Primary request: the steps of PLAN.md for tallybook. Rules that the user has repeated: never edit an
   existing migration, run all the tests before saying done, ask before deleting a file.
2. Done and committed: tokens, passwords, throttling, ledger modules, STORNO texts.
3. Rounding half up with Decimal in tallybook/ledger/money.py; months of the reports follow the business
   time zone.
4. Next: go on with the request that was under way.
</summary>"""


def plot() -> Plot:
    """The plot of the recording."""
    return Plot(
        turns=(
            START,
            TOKEN_STEP,
            PASSWORD_STEP,
            SURVEY_STEP,
            Turn("/compact Keep what is done and what is open"),
            THROTTLE_STEP,
            MIGRATION_COMPLAINT,
            LEDGER_STEP,
            DELETION_COMPLAINT,
            STORNO_STEP,
            ROUNDING_STEP,
            ROUNDING_COMPLAINT,
            REPORT_STEP,
            REVIEW_STEP,
            RULES_STEP,
            LAST_STEP,
        ),
        subagents=(SURVEY,),
        compactions=(
            Compaction(FIRST_SUMMARY, LOST),
            Compaction(SECOND_SUMMARY, LOST_AGAIN),
            Compaction(THIRD_SUMMARY, LOST_LATE),
        ),
    )
