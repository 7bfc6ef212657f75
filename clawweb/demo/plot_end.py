"""The end of the plot: rounding, reports and the final review, across an automatic compaction or two."""

from __future__ import annotations

from clawweb.demo.plot_before import PASSWORDS, SESSIONS, TOKENS, commit, tests, tests_of
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
    task_set,
    tasks,
    write,
    written,
)

MONEY = "tallybook/ledger/money.py"
REPORTS = "tallybook/reports/__init__.py"

# After an automatic compaction in the middle of the work: less is lost, but the same files are read again.
LOST_AGAIN = (
    do(tasks(), text="Where was I? The task list first."),
    do(read("docs/architecture.md"), read("notes/handover.md")),
    do(read("docs/security.md"), text="And the requirements again."),
    do(read("PLAN.md"), read("tallybook/ledger/__init__.py")),
    do(grep(r"sha1|sha256|md5|hmac", glob="*.py")),
    do(bash("git log --oneline && git status --short", "State of the repository")),
)

LOST_LATE = (
    do(read("CLAUDE.md"), text="A short look at the rules of the project."),
    do(read("tallybook/db.py"), read("tallybook/errors.py")),
    do(find("**/*.py")),
    do(tasks()),
)

ROUNDING_STEP = Turn(
    "Step 5, the rounding.",
    (
        do(task_set(5, "in_progress")),
        do(recall("round"), text="How are discounts to be rounded?"),
        do(read(MONEY)),
        do(read("tallybook/orders/pricing.py")),
        do(grep("percent_of", glob="*.py")),
        do(
            edit(
                MONEY,
                '    """A percentage of an amount, rounded to the cent."""\n    return round(cents * '
                "percent / 100)\n",
                '    """A percentage of an amount, rounded half up to the cent."""\n'
                "    exact = Decimal(cents) * percent / 100\n"
                "    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))\n",
            )
        ),
        do(edit("PLAN.md", "5. [ ] Rounding", "5. [x] Rounding")),
        do(task_set(5, "completed")),
        say(
            "Step 5 is done: `percent_of` rounds half up with `Decimal`, so no float touches an amount "
            "any more."
        ),
    ),
)

ROUNDING_COMPLAINT = Turn(
    "That is not done. I ran the tests and half of them are red. Rule 2: all the tests before you say done.",
    (
        tests("You are right, I said done without a run."),
        do(read(MONEY, 1, 16), text="`Decimal` is not even imported."),
        do(edit(MONEY, "import re\n\n", "import re\nfrom decimal import ROUND_HALF_UP, Decimal\n\n")),
        tests(),
        do(
            grep("round", path="notes"),
            thinking="Half up for negative amounts: ROUND_HALF_UP rounds away from zero, which is what "
            "accountants expect.",
        ),
        do(
            edit(
                "tests/test_ledger.py",
                "        self.assertEqual(ledger.percent_of(150, 3), 5)\n",
                "        self.assertEqual(ledger.percent_of(150, 3), 5)\n"
                "        self.assertEqual(ledger.percent_of(-150, 3), -5)\n",
            )
        ),
        tests_of("test_ledger"),
        do(bash("python -m unittest 2>&1 | tail -n 4", "All tests, last lines")),
        commit("-A", "Percentages round half up"),
        say(
            "Now it is: the import was missing, and I had not run a thing. All tests ran and all of them "
            "pass, the old red one too."
        ),
    ),
)


REPORT_STEP = Turn(
    "Step 6, the month boundary. Which time zone did we agree on?",
    (
        do(task_set(6, "in_progress")),
        do(recall("business time zone")),
        do(read(REPORTS)),
        do(grep("month_bounds|monthly", glob="*.py")),
        do(read("tests/test_orders.py")),
        do(
            write("tests/test_reports.py", written("test_reports.py")),
            text="Vienna, by the decision of 6 May. First the tests, red.",
        ),
        tests_of("test_reports"),
        do(
            edit(
                REPORTS,
                "    start = datetime(year, month, 1, tzinfo=UTC)\n"
                "    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)\n",
                "    start = datetime(year, month, 1, tzinfo=zone)\n"
                "    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)\n",
            )
        ),
        do(
            edit(
                REPORTS,
                'def month_bounds(year: int, month: int) -> tuple[datetime, datetime]:\n    """The first '
                "moment of a month and of the "
                'next."""\n',
                "# Decided on 6 May: months are Vienna's, timestamps stay UTC.\n"
                'BUSINESS_ZONE = ZoneInfo("Europe/Vienna")\n\n\n'
                "def month_bounds(year: int, month: int, zone: tzinfo = BUSINESS_ZONE) -> tuple[datetime, "
                "datetime]:\n"
                '    """The first moment of a month and of the next, in the business time zone."""\n',
            )
        ),
        do(
            edit(
                REPORTS,
                "from datetime import UTC, datetime\n",
                "from datetime import datetime, tzinfo\nfrom zoneinfo import ZoneInfo\n",
            )
        ),
        tests_of("test_reports"),
        do(read(REPORTS), text="Read over once more."),
        tests_of("test_orders"),
        tests("All tests, before I say done."),
        do(edit("PLAN.md", "6. [ ] Month", "6. [x] Month")),
        commit("-A", "Reports: months of the business time zone"),
        do(task_set(6, "completed")),
        say(
            "Step 6 is done. Months are those of Vienna, in summer and in winter; three new tests. All "
            "tests ran, all pass."
        ),
    ),
)

REVIEW_STEP = Turn(
    "Now go over everything once more as a reviewer would, against docs/security.md, and list what is open.",
    (
        do(read("docs/security.md")),
        do(bash("git log --oneline && git diff --stat HEAD~7", "All that changed")),
        do(
            bash("git diff HEAD~7 -- tallybook/auth", "The changes to logins"),
            text="The changes themselves, part by part.",
        ),
        do(
            bash(
                "git diff HEAD~7 -- tallybook/ledger tallybook/orders tallybook/reports",
                "The changes to ledger and reports",
            )
        ),
        do(read(TOKENS)),
        do(read(PASSWORDS)),
        do(read(SESSIONS)),
        do(find("tallybook/migrations/*.sql")),
        do(
            bash(
                "git diff HEAD~7 --name-status -- tallybook/migrations", "Were existing migrations touched?"
            ),
            text="The rule about migrations, checked with git instead of from memory.",
        ),
        do(
            read("tallybook/migrations/0004_token_expiry.sql"),
            read("tallybook/migrations/0005_login_failures.sql"),
        ),
        do(grep(r"print\(|logging|log\.", path="tallybook"), text="SEC-5: is anything logged?"),
        do(read("tallybook/api/app.py")),
        do(read("tallybook/api/handlers.py")),
        do(grep(r"datetime\.now|utcnow", glob="*.py"), text="Time only from the clock?"),
        do(grep("float|round", path="tallybook"), text="No float on money?"),
        do(bash("python -W error -m unittest -q 2>&1 | tail -n 5", "All tests, warnings as errors")),
        do(
            bash(
                "python -m unittest -v 2>&1 | grep -c 'sec_' ; grep -o 'test_sec_[0-9]' -r tests | sort | "
                "uniq -c",
                "Tests by requirement",
            ),
            text="Which requirement has which tests?",
        ),
        do(read("tests/test_tokens.py", 40, 40)),
        do(read("tests/test_throttling.py")),
        do(
            edit(
                "docs/architecture.md",
                "| `accounts`, `postings` | `ledger.entries` | orders, corrections |",
                "| `accounts` | `ledger.accounts` | orders, corrections |\n| `postings` | "
                "`ledger.postings` | orders, corrections |",
            ),
            text="The table of owners is out of date since step 4.",
        ),
        do(grep("entries", path="docs"), grep("entries", path="README.md")),
        do(
            edit(
                "README.md",
                " One ledger test fails since the discount change (`test_percent_of_small_amounts`).",
                "",
            )
        ),
        do(bash("sed -n '/Known limits/,$p' README.md", "The end of the README")),
        tests("And the tests a last time."),
        commit("-A", "Docs follow the code"),
        do(tasks()),
        say(
            "Review against docs/security.md:\n\n"
            "- SEC-1, SEC-2: met, six tests.\n- SEC-3: met, five tests.\n- SEC-4: met, three tests; the "
            "table comes by migration 0005.\n"
            "- SEC-5: nothing is logged; messages look alike. Open: a row that is still SHA-1 answers "
            "faster than an unknown name "
            "(you said to leave it).\n\n"
            "Existing migrations are untouched (checked with git), the statement columns are unchanged, "
            "nothing was deleted that is not "
            "back. All tests ran and pass. Open: `purge_expired` is called by nobody yet, and "
            "`login_failures` is never purged.",
        ),
    ),
)

RULES_STEP = Turn(
    "One last question: which rules did I give you at the start? All of them, please.",
    (
        say(
            "1. Never edit a migration that is already there; add a new one.\n2. Run all the tests before "
            "saying done.\n"
            "3. Ask before deleting a file.",
            thinking="The summary names three rules.",
        ),
    ),
)

LAST_STEP = Turn(
    "There were four. The columns of the statement CSV must not change: did they?",
    (
        do(
            grep("STATEMENT_COLUMNS|booked_at,booking"),
            text="I had lost the fourth. Let me check it instead of guessing.",
        ),
        do(read("tallybook/ledger/statements.py")),
        do(
            bash(
                "git diff HEAD~8 -- tests/test_ledger.py | grep -n 'columns' ; echo checked",
                "Was the test of the columns changed?",
            )
        ),
        tests_of("test_ledger"),
        say(
            "They did not change: `STATEMENT_COLUMNS` has the same five names in the same order as "
            "before, and its test is unchanged and "
            "green. The rule itself was no longer in my context; it survived because the code had a test "
            "for it.",
        ),
    ),
)
