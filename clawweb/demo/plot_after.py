"""The plot after the first compaction: throttling and the ledger, with what was lost.

The summary of the compaction names neither the rule about migrations nor the
one about deleting, and forgets the plan's tasks. So the agent reads unchanged
files again, repeats searches, makes the plan anew, and breaks both rules.
"""

from __future__ import annotations

from clawweb.demo.plot_before import SESSIONS, commit, tests, tests_of
from clawweb.demo.script import (
    Turn,
    bash,
    do,
    edit,
    find,
    grep,
    read,
    recall,
    say,
    task,
    task_set,
    tasks,
    write,
    written,
)

ENTRIES = "tallybook/ledger/entries.py"
FIRST_MIGRATION = "tallybook/migrations/0001_users.sql"
FAILURES_MIGRATION = "tallybook/migrations/0005_login_failures.sql"

_TABLE = (
    "CREATE TABLE login_failures (\n    name TEXT NOT NULL,\n    failed_at TEXT NOT NULL\n);\n\n"
    "CREATE INDEX login_failures_name ON login_failures (name, failed_at);\n"
)


# Right after the compaction: finding the way again.
LOST = (
    do(read("README.md"), read("CLAUDE.md"), text="Let me get my bearings in the code base first."),
    do(find("**/*.py")),
    do(read("docs/security.md"), text="The requirements."),
    do(read("tallybook/db.py")),
    do(read("tallybook/config.py"), read("tallybook/clock.py")),
    do(grep(r"SEC-\d", path="docs/security.md")),
    do(recall("lifetime")),
    do(grep(r"hash_token|TokenStore|hash_password|check_password", glob="*.py")),
    do(
        task("Throttling in the database", "SEC-4: keep failed logins in a table"),
        task("Split the ledger module", "entries.py into postings, balances, statements"),
        task("Fix rounding and month boundary", "The two bugs from PLAN.md"),
        text="I'll write down a plan for the remaining work.",
        thinking="The summary does not mention a task list, so I make one.",
    ),
    do(task_set(7, "in_progress")),
)

THROTTLE_STEP = Turn(
    "Go on with step 3, the throttling.",
    (
        do(read(SESSIONS)),
        do(read("tests/test_auth.py"), text="How is the lock tested so far?"),
        do(grep("failures|max_failed_logins|lock_time", glob="*.py")),
        do(read(FIRST_MIGRATION), text="The schema of the users."),
        do(
            edit(
                FIRST_MIGRATION,
                "    expires_at TEXT NOT NULL\n);\n",
                "    expires_at TEXT NOT NULL\n);\n\n" + _TABLE,
            ),
            text="The failed logins belong beside users and tokens, so I add the table there.",
        ),
        do(
            edit(
                SESSIONS,
                "        recent = [moment for moment in self.failures.get(name, []) if moment > since]\n"
                "        self.failures[name] = recent\n        return len(recent) >= "
                "self.settings.max_failed_logins\n",
                "        row = self.database.one(\n"
                '            "SELECT COUNT(*) AS failed FROM login_failures WHERE name = ? AND failed_at '
                '> ?",\n'
                "            name,\n            clock.stamp(since),\n        )\n"
                '        return row is not None and row["failed"] >= self.settings.max_failed_logins\n\n'
                "    def failed(self, name: str) -> None:\n"
                '        """Remember a failed login (SEC-4)."""\n'
                "        with self.database.transaction() as connection:\n"
                '            connection.execute("INSERT INTO login_failures VALUES (?, ?)", (name, '
                "clock.stamp(clock.now())))\n\n"
                "    def succeeded(self, name: str) -> None:\n"
                '        """Forget the failed logins of a name."""\n'
                "        with self.database.transaction() as connection:\n"
                '            connection.execute("DELETE FROM login_failures WHERE name = ?", (name,))\n',
            )
        ),
        do(
            edit(
                SESSIONS,
                "        sessions.failures.setdefault(name, []).append(clock.now())\n",
                "        sessions.failed(name)\n",
            )
        ),
        do(edit(SESSIONS, "    sessions.failures.pop(name, None)\n", "    sessions.succeeded(name)\n")),
        do(
            edit(
                SESSIONS,
                "    failures: dict[str, list[datetime]] = field(default_factory=dict)\n\n",
                "\n",
            )
        ),
        do(
            edit(
                SESSIONS,
                "from dataclasses import dataclass, field\nfrom datetime import datetime\n",
                "from dataclasses import dataclass\n",
            )
        ),
        do(edit(SESSIONS, "the settings, and the failed attempts of each name.", "and the settings.")),
        tests_of("test_auth"),
        do(write("tests/test_throttling.py", written("test_throttling.py"))),
        tests_of("test_throttling"),
        tests("The whole suite."),
        do(edit("PLAN.md", "3. [ ] Login throttling", "3. [x] Login throttling")),
        do(bash("git diff --stat", "What changed")),
        do(task_set(7, "completed")),
        say(
            "Step 3 is done: failed logins are rows of `login_failures`, so a restart does not forget "
            "them. I put the table into "
            "`0001_users.sql`, next to users and tokens. Three new tests; all tests ran, only the known "
            "one fails.",
        ),
    ),
)

MIGRATION_COMPLAINT = Turn(
    "No! You edited 0001_users.sql. My first rule was: never edit a migration that is already there. "
    "Deployed databases have run it "
    "and will never see that table. Put it back and make a new migration.",
    (
        do(
            bash(f"git checkout -- {FIRST_MIGRATION} && git status --short", "Restore the migration"),
            text="You are right, and I had lost that rule. I restore the file.",
        ),
        do(find("tallybook/migrations/*.sql")),
        do(write(FAILURES_MIGRATION, "-- SEC-4: failed logins survive a restart.\n" + _TABLE)),
        do(read("docs/architecture.md"), text="What else is said about migrations?"),
        do(
            bash(
                'git stash -q -u && rm -f $TMPDIR/deployed.db && TALLYBOOK_TOKEN_SECRET=x python -c "from '
                "tallybook.db import "
                "open_database; open_database('$TMPDIR/deployed.db')\" ; git stash pop -q && python -c "
                '"from tallybook.db import '
                "Database; print(Database('$TMPDIR/deployed.db').migrate())\"; rm -f $TMPDIR/deployed.db",
                "Upgrade a database made before this step",
            ),
            text="A database from before this step has to get the table.",
        ),
        tests(),
        commit("-A", "Throttling in the database (SEC-4)"),
        do(
            edit(
                "docs/architecture.md",
                "| `accounts`, `postings` |",
                "| `login_failures` | `auth.sessions` | failed and successful logins |\n| `accounts`, "
                "`postings` |",
            )
        ),
        say(
            "Restored `0001_users.sql`; the table is now made by `0005_login_failures.sql`, and a "
            "database from before the change "
            "gets it. All tests ran, only the known one fails. I am sorry: the rule had dropped out of my "
            "notes.",
        ),
    ),
)


LEDGER_STEP = Turn(
    "Step 4 now: split entries.py.",
    (
        do(task_set(8, "in_progress")),
        do(recall("ledger"), text="What do the notes say about the ledger?"),
        do(read(ENTRIES)),
        do(grep(r"ledger\.entries|from tallybook\.ledger|import ledger", glob="*.py"), text="Who uses it?"),
        do(grep(r"ledger\.\w+\(", glob="*.py")),
        do(read("tallybook/ledger/__init__.py"), read("tallybook/orders/service.py")),
        do(read("tests/test_ledger.py")),
        do(
            write("tallybook/ledger/accounts.py", written("accounts.py")),
            text="The part that all the others need comes first.",
        ),
        do(write("tallybook/ledger/postings.py", written("postings.py"))),
        do(write("tallybook/ledger/balances.py", written("balances.py"))),
        do(write("tallybook/ledger/statements.py", written("statements.py"))),
        do(
            edit(
                "tallybook/ledger/__init__.py",
                "from tallybook.ledger.entries import balance, open_account, post, statement\n"
                "from tallybook.ledger.money import format_cents, parse_cents, percent_of\n",
                "from tallybook.ledger.accounts import open_account\nfrom tallybook.ledger.balances "
                "import balance\n"
                "from tallybook.ledger.money import format_cents, parse_cents, percent_of\n"
                "from tallybook.ledger.postings import post\nfrom tallybook.ledger.statements import "
                "statement\n",
            )
        ),
        do(
            edit(
                "tallybook/orders/service.py",
                "from tallybook.ledger.entries import Posting, reverse\n",
                "from tallybook.ledger.postings import Posting, reverse\n",
            )
        ),
        do(
            bash(f"git rm -q {ENTRIES} && git status --short", "Remove the old module"),
            text="Nothing uses the old module now.",
        ),
        tests_of("test_ledger"),
        do(grep(r"ledger\.entries", glob="*.py"), text="The tests still import it."),
        do(
            edit(
                "tests/test_ledger.py",
                "from tallybook.ledger.entries import Posting, reverse, trial_balance\n"
                "from tallybook.ledger.money import split_evenly\n",
                "from tallybook.ledger.balances import trial_balance\nfrom tallybook.ledger.money import "
                "split_evenly\n"
                "from tallybook.ledger.postings import Posting, reverse\n",
            )
        ),
        tests_of("test_ledger"),
        tests(),
        do(edit("PLAN.md", "4. [ ] Split", "4. [x] Split")),
        commit("-A", "Ledger: accounts, postings, balances and statements as modules"),
        do(task_set(8, "completed")),
        say(
            "Step 4 is done: `accounts`, `postings`, `balances` and `statements` are modules of their "
            "own, the public names of "
            "`tallybook.ledger` and the statement columns are unchanged, and the old `entries.py` is "
            "removed. All tests ran, only "
            "the known one fails.",
        ),
    ),
)

DELETION_COMPLAINT = Turn(
    'You removed entries.py without asking me. "Ask me before you delete any file" was rule 3. The '
    "accountants' nightly script "
    "imports it. Bring it back, it may just re-export the names. And the STORNO text is missing.",
    (
        do(
            bash(f"git checkout HEAD~1 -- {ENTRIES} && git status --short", "Bring the module back"),
            text="I'm sorry. It comes back now.",
        ),
        do(read(ENTRIES, 1, 30)),
        do(
            write(
                ENTRIES,
                written("entries.py"),
            )
        ),
        do(recall("STORNO"), text="What was it about STORNO? I look in the notes."),
        do(recall("reversal text")),
        say(
            "`entries.py` is back and re-exports the names. About STORNO: the notes have nothing, so no "
            "such requirement seems to be "
            "recorded. What should the text be?",
            thinking="Two searches came back empty, without an error. So there is no such note.",
        ),
    ),
)

STORNO_STEP = Turn(
    "You wrote that note yourself, this morning, when I told you! The text of a reversal must begin with "
    "STORNO.",
    (
        do(grep("STORNO"), text="Then it must be in a file."),
        do(
            read("notes/inbox.md"),
            thinking="The note is in the inbox, which the search does not cover. An empty result was not "
            "an answer.",
        ),
        do(read("tools/notes_server.py"), text="It is in `notes/inbox.md`. Why did the search not find it?"),
        do(
            edit(
                "tallybook/ledger/postings.py",
                '    """Book the opposite of a booking under its name with a suffix."""\n',
                '    """Book the opposite of a booking under its name with a suffix; the accountants want '
                'STORNO in front."""\n',
            )
        ),
        do(
            edit(
                "tallybook/ledger/postings.py",
                '-row["cents"], reason) for row',
                '-row["cents"], f"STORNO {reason}") for row',
            )
        ),
        do(
            edit(
                "tests/test_ledger.py",
                '        reverse(self.database, "a", "mistake")\n',
                '        reverse(self.database, "a", "mistake")\n'
                '        texts = [row["text"] for row in self.database.all("SELECT text FROM postings '
                'WHERE booking = ?", "a/reversed")]\n'
                '        self.assertEqual(texts, ["STORNO mistake", "STORNO mistake"])\n',
            )
        ),
        tests_of("test_ledger"),
        do(tasks(), text="The task list has doubles; I clean it up."),
        do(task_set(3, "deleted"), task_set(4, "deleted"), task_set(9, "deleted")),
        tests(),
        commit("-A", "Reversals begin with STORNO; old module re-exports"),
        say(
            "Reversals begin with STORNO, with a test. The note stood in `notes/inbox.md`: the notes "
            "server indexes filed notes only "
            "and answers nothing instead of saying so. I had also made three tasks a second time; the "
            "doubles are gone. All tests "
            "ran, only the known one fails.",
        ),
    ),
)
