"""The plot up to the first compaction: rules, plan, tokens, passwords, and a survey by a sub-agent."""

from __future__ import annotations

from clawweb.demo.script import (
    Step,
    SubAgent,
    Turn,
    bash,
    delegate,
    do,
    edit,
    find,
    grep,
    read,
    recall,
    remember,
    say,
    task,
    task_set,
    tasks,
    write,
    written,
)

TOKENS = "tallybook/auth/tokens.py"
PASSWORDS = "tallybook/auth/passwords.py"
SESSIONS = "tallybook/auth/sessions.py"


def tests(text: str = "", thinking: str = "") -> Step:
    """Run the whole test suite; short output."""
    return do(bash("python -m unittest -q 2>&1 | tail -n 40", "Run all tests"), text=text, thinking=thinking)


def tests_of(module: str, text: str = "") -> Step:
    """Run one test module; long output."""
    return do(bash(f"python -m unittest -v tests.{module} 2>&1", f"Run the tests of {module}"), text=text)


def commit(paths: str, message: str) -> Step:
    """Commit what a step changed."""
    return do(
        bash(f'git add {paths} && git commit -q -m "{message}" && git log --oneline -3', "Commit the step")
    )


START = Turn(
    "We follow up the security review of tallybook, see PLAN.md and docs/security.md. Before you start, "
    "the rules for this "
    "whole session:\n\n"
    "1. Never edit a file in tallybook/migrations/ that is already there. If the schema has to change, "
    "add a new one.\n"
    "2. Always run all the tests before you say that something is done.\n"
    "3. Ask me before you delete any file.\n"
    "4. The columns of the statement CSV must not change.\n\n"
    "Read what you need, make a plan with your task tools (one task a step of PLAN.md) and tell me what "
    "you found. "
    "Change nothing yet.",
    (
        do(read("CLAUDE.md"), read("README.md"), text="I'll start with the project's own instructions."),
        do(read("PLAN.md"), read("docs/security.md")),
        do(read("docs/architecture.md")),
        do(find("**/*.py"), text="Now the layout of the code."),
        tests("Before anything else, the state of the tests."),
        do(bash("python -m unittest -v 2>&1 | head -n 60", "List the tests one by one")),
        do(
            task(
                "Tokens: keyed hash",
                "SEC-1 and SEC-2: HMAC-SHA-256 with scheme prefix; old rows until they expire",
            ),
            task("Passwords: scrypt", "SEC-3: scrypt, upgrade at the next login, constant-time comparison"),
            task("Throttling in the database", "SEC-4: failed logins survive a restart; new migration"),
            thinking="Six steps in PLAN.md, so six tasks. The rules apply to all of them; I must not lose "
            "them.",
        ),
        do(
            task(
                "Split ledger/entries.py",
                "Postings, balances, statements; public names and CSV columns unchanged",
            ),
            task(
                "Rounding of percentages", "test_percent_of_small_amounts fails: round() rounds half to even"
            ),
            task(
                "Month boundary in reports",
                "Months in the business time zone; timestamps in the database stay UTC",
            ),
        ),
        do(recall("lifetime"), text="Let me see what was decided about token lifetimes."),
        do(read(TOKENS), read(SESSIONS)),
        do(read(PASSWORDS)),
        do(grep(r"sha1|sha256|md5|hmac", glob="*.py"), text="Where are hashes made?"),
        do(grep(r"hash_token|TokenStore|hash_password|check_password", glob="*.py")),
        do(read("tallybook/db.py")),
        do(read("tallybook/migrations/0001_users.sql"), read("tallybook/config.py")),
        do(read("tests/test_auth.py")),
        do(read("tallybook/errors.py"), read("tallybook/clock.py")),
        do(read("tallybook/api/app.py")),
        do(bash("git log --oneline && git status --short", "State of the repository")),
        do(read("notes/handover.md"), recall("business time zone")),
        do(tasks()),
        say(
            "I have read the code and changed nothing. What I found:\n\n"
            "- Tokens and passwords both use SHA-1; tokens without any key. Both have one place to change.\n"
            "- The failed logins live in a dict of `Sessions`, so a restart forgets them.\n"
            "- One test fails: `percent_of` rounds half to even, `notes/decisions.md` says half up.\n"
            "- `monthly` cuts at UTC midnight.\n\n"
            "The plan has six tasks, in the order of PLAN.md. I will keep to your four rules: no edits to "
            "existing "
            "migrations, all tests before I say done, ask before deleting, statement columns fixed. Shall "
            "I start?",
        ),
    ),
)


TOKEN_STEP = Turn(
    "Good. Do step 1, the tokens. Write the tests with the numbers of the requirements in their names.",
    (
        do(task_set(1, "in_progress")),
        do(grep(r"SEC-\d", path="docs/security.md"), text="The requirement numbers, for the test names."),
        do(
            edit(
                TOKENS,
                'def hash_token(text: str) -> str:\n    """The stored form of a token."""\n'
                "    return hashlib.sha1(text.encode()).hexdigest()\n",
                "# In front of every stored token, so that a later scheme can tell them apart.\nSCHEME = "
                '"v2$"\n\n\n'
                "def hash_token(text: str, secret: bytes) -> str:\n"
                '    """The stored form of a token: its HMAC under the secret of the service (SEC-1)."""\n'
                "    return SCHEME + hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()\n\n\n"
                "def old_hash(text: str) -> str:\n"
                '    """How tokens were stored before; only to find rows that have not expired yet '
                '(SEC-2)."""\n'
                "    return hashlib.sha1(text.encode()).hexdigest()\n",
            ),
            text="First the two hash functions.",
        ),
        do(
            edit(
                TOKENS,
                "import hashlib\nimport secrets\n",
                "import hashlib\nimport hmac\nimport secrets\nimport sqlite3\n",
            )
        ),
        do(
            edit(
                TOKENS,
                "    def __init__(self, database: Database) -> None:\n        self.database = database\n",
                "    def __init__(self, database: Database, secret: bytes) -> None:\n        "
                "self.database = database\n"
                "        self.secret = secret\n",
            )
        ),
        do(
            edit(
                TOKENS,
                "(user_id, hash_token(text), clock.stamp(moment)",
                "(user_id, hash_token(text, self.secret), clock.stamp(moment)",
            )
        ),
        do(
            edit(TOKENS, written("tokens_check_old.py"), written("tokens_check_new.py")),
            text="Checking rewrites an old row at its first use.",
        ),
        do(
            edit(
                TOKENS,
                'cursor = connection.execute("DELETE FROM tokens WHERE hash = ?", (hash_token(text),))',
                'cursor = connection.execute(\n                "DELETE FROM tokens WHERE hash IN (?, ?)", '
                "(hash_token(text, self.secret), old_hash(text))\n            )",
            )
        ),
        do(
            edit(
                SESSIONS,
                "return TokenStore(self.database)",
                "return TokenStore(self.database, self.settings.token_secret)",
            )
        ),
        tests_of("test_auth"),
        do(
            write("tests/test_tokens.py", written("test_tokens.py")), text="Now the tests of SEC-1 and SEC-2."
        ),
        tests_of("test_tokens"),
        do(
            read("tallybook/errors.py"),
            thinking="Two failures are expected: the empty secret and the purge report. Both are still to "
            "write.",
        ),
        do(
            edit(
                SESSIONS,
                "    failures: dict[str, list[datetime]] = field(default_factory=dict)\n",
                "    failures: dict[str, list[datetime]] = field(default_factory=dict)\n\n"
                "    def __post_init__(self) -> None:\n"
                "        # At the start of the service, not at the first login (SEC-1).\n"
                "        if not self.settings.token_secret:\n"
                '            raise ConfigurationError("TALLYBOOK_TOKEN_SECRET is not set")\n',
            ),
            text="The empty secret has to stop the service when `Sessions` is made.",
        ),
        do(
            edit(
                SESSIONS,
                "from tallybook.errors import AuthenticationError\n",
                "from tallybook.errors import AuthenticationError, ConfigurationError\n",
            )
        ),
        do(read(TOKENS, 78, 30)),
        do(
            edit(
                TOKENS,
                '    def purge_expired(self) -> int:\n        """Delete expired tokens; returns how '
                'many."""\n',
                "    def purge_expired(self) -> Purged:\n"
                '        """Delete expired tokens; tells how many, and how many rows of the old form are '
                'left."""\n',
            )
        ),
        do(
            edit(
                TOKENS,
                "(clock.stamp(clock.now()),)\n            )\n        return cursor.rowcount\n",
                "(clock.stamp(clock.now()),)\n            )\n"
                '        row = self.database.one("SELECT COUNT(*) AS left FROM tokens WHERE hash NOT LIKE '
                '?", SCHEME + "%")\n'
                '        return Purged(cursor.rowcount, row["left"] if row else 0)\n',
            )
        ),
        do(
            edit(
                TOKENS,
                "# In front of every stored token,",
                "@dataclass(frozen=True)\nclass Purged:\n"
                '    """What a purge did: rows deleted, and rows of the old form that are still there '
                '(SEC-2)."""\n\n'
                "    deleted: int\n    old_left: int\n\n\n# In front of every stored token,",
            )
        ),
        tests_of("test_tokens", text="Again."),
        do(bash("python -c 'import sqlite3; print(sqlite3.sqlite_version)'", "Version of SQLite")),
        do(
            write(
                "tallybook/migrations/0004_token_expiry.sql",
                "-- The purge and every check look at the expiry.\nCREATE INDEX tokens_expiry ON tokens "
                "(expires_at);\n",
            ),
            text="The purge scans the table; an index in a *new* migration, as agreed.",
        ),
        do(grep("purge_expired", glob="*.py"), text="Who calls the purge?"),
        do(read(TOKENS), text="Let me look at the whole file once more."),
        tests("All tests, before I say anything."),
        do(edit("PLAN.md", "1. [ ] Tokens", "1. [x] Tokens")),
        commit("-A", "Tokens: keyed hash, old rows until they expire (SEC-1, SEC-2)"),
        do(task_set(1, "completed")),
        say(
            "Step 1 is done. Tokens are stored as HMAC-SHA-256 with the prefix `v2$`; old rows stay valid "
            "until they expire and "
            "are rewritten at their first use; an empty secret stops the service at its start. Six new "
            "tests. All tests ran: "
            "only `test_percent_of_small_amounts` fails, as before (step 5). The index is in a new "
            "migration, `0004`.",
        ),
    ),
)


PASSWORD_STEP = Turn(
    "Step 2, the passwords. Mind SEC-5 as well: nothing about names may leak through timing.",
    (
        do(task_set(2, "in_progress")),
        do(read("docs/security.md", 22, 20), text="SEC-3 to SEC-5 word by word."),
        do(recall("scrypt"), text="Was the choice of scrypt discussed?"),
        do(
            bash(
                "python -m timeit -n 5 -s 'import hashlib' \"hashlib.scrypt(b'x', salt=b'y'*16, n=2**14, "
                'r=8, p=1, dklen=32)"',
                "Cost of one hash",
            ),
            text="How slow is one hash here?",
        ),
        do(read(PASSWORDS), text="The file as it is now."),
        do(edit(PASSWORDS, written("passwords_old.py"), written("passwords_new.py"))),
        do(
            edit(
                PASSWORDS, "import hashlib\nimport secrets\n", "import hashlib\nimport hmac\nimport secrets\n"
            )
        ),
        tests_of("test_auth"),
        do(write("tests/test_passwords.py", written("test_passwords.py"))),
        tests_of("test_passwords", text="One of these has to fail: the upgrade is not there yet."),
        do(read(SESSIONS, 45, 35)),
        do(
            edit(
                SESSIONS,
                "    sessions.failures.pop(name, None)\n    settings = sessions.settings\n",
                "    sessions.failures.pop(name, None)\n    if is_outdated(stored):\n"
                "        set_password(sessions.database, found[0], password)\n    settings = "
                "sessions.settings\n",
            )
        ),
        do(
            edit(
                SESSIONS,
                "from tallybook.auth.passwords import check_password, find_user, hash_password\n",
                "from tallybook.auth.passwords import check_password, find_user, hash_password, "
                "is_outdated, set_password\n",
            )
        ),
        tests_of("test_passwords"),
        do(
            grep("_NOBODY|compare_digest", glob="*.py"),
            thinking="SEC-5: for an unknown name the code hashes against _NOBODY. With scrypt that has "
            "the same cost as a new "
            "row; an old SHA-1 row is faster, which tells that a name exists until its first login. Must "
            "be mentioned.",
        ),
        do(
            bash(
                "TALLYBOOK_TOKEN_SECRET=x python - <<'PY'\nimport time\nfrom tallybook import auth\nfrom "
                "tallybook.auth.passwords "
                "import register\nfrom tallybook.config import Settings\nfrom tallybook.db import "
                "open_database\n"
                "from tallybook.errors import AuthenticationError\nsessions = auth.Sessions(open_database(), "
                "Settings(token_secret=b'x', max_failed_logins=99))\nregister(sessions.database, 'mira', "
                "'right')\n"
                "for name in ('mira', 'nobody'):\n    start = time.perf_counter()\n    for _ in "
                "range(5):\n        try:\n"
                "            auth.login(sessions, name, 'wrong')\n        except AuthenticationError:\n   "
                "         pass\n"
                "    print(name, 'same order of magnitude', time.perf_counter() - start > 0.01)\nPY",
                "Compare the time of a known and an unknown name",
            )
        ),
        do(read("tests/test_orders.py"), text="Do the API tests log in with fixed hashes anywhere?"),
        do(read("tallybook/api/handlers.py")),
        tests("All tests."),
        do(bash("git diff --stat && git status --short", "What changed")),
        do(edit("PLAN.md", "2. [ ] Passwords", "2. [x] Passwords")),
        commit("-A", "Passwords: scrypt, upgraded at login (SEC-3)"),
        do(task_set(2, "completed")),
        say(
            "Step 2 is done: scrypt with the costs of SEC-3, old rows are checked as before and rewritten "
            "at the next successful "
            "login. All tests ran, only the known one fails. One thing on SEC-5: a row that is still "
            "SHA-1 answers faster than "
            "an unknown name until its owner logs in once. I left it so; tell me if you want a dummy "
            "scrypt there.",
        ),
    ),
)

SURVEY_PROMPT = (
    "Survey who uses tallybook/ledger/entries.py. List every import of it or of names that "
    "tallybook.ledger takes from it, with "
    "file and line, say which of its functions each caller uses, and whether anything depends on the "
    "order of the statement "
    "columns. Do not change anything. Answer in at most 25 lines."
)

SURVEY = SubAgent(
    SURVEY_PROMPT,
    (
        do(grep(r"ledger\.entries|from tallybook\.ledger|import ledger", glob="*.py")),
        do(read("tallybook/ledger/entries.py")),
        do(grep(r"ledger\.\w+\(", glob="*.py")),
        do(read("tallybook/ledger/__init__.py"), read("tallybook/orders/service.py")),
        do(grep("STATEMENT_COLUMNS|booked_at,booking")),
        do(read("tests/test_ledger.py")),
        do(grep("statement", path="docs"), grep("statement|CSV", path="notes")),
        do(read("tallybook/reports/__init__.py")),
        say(
            "Users of `tallybook/ledger/entries.py`:\n\n"
            "- `tallybook/ledger/__init__.py:3` re-exports `balance`, `open_account`, `post`, `statement`.\n"
            "- `tallybook/orders/service.py:11` imports `Posting`, `reverse` directly; also uses "
            "`ledger.open_account`, "
            "`ledger.post`.\n"
            "- `tallybook/api/handlers.py` uses `ledger.balance` and `ledger.format_cents`.\n"
            "- `tests/test_ledger.py:9` imports `Posting`, `reverse`, `trial_balance` directly.\n"
            "- `tallybook/reports` does not use the ledger at all.\n\n"
            "`account_id` is used by all three parts, so it belongs to a module below them. The column "
            "order is fixed in "
            "`STATEMENT_COLUMNS`, in one test, and by the accountants' import (`notes/handover.md`). No "
            "caller depends on "
            "anything else of the module.",
        ),
    ),
)

SURVEY_STEP = Turn(
    "The dummy is not needed. Before we touch the ledger, let a sub-agent find out who uses entries.py. "
    "And a thing the "
    "accountants told me: the text of a reversal has to begin with STORNO. Please remember that for step 4.",
    (
        do(
            remember(
                "Reversals",
                "Accountants: the text of a reversal must begin with STORNO. To be done with step 4 of "
                "PLAN.md.",
            )
        ),
        do(
            delegate("Survey users of entries.py", SURVEY_PROMPT),
            text="Noted. Now the survey.",
        ),
        do(read("tallybook/ledger/entries.py", 48, 34), text="I want to see the reversal itself."),
        do(read("tallybook/ledger/__init__.py")),
        do(tasks()),
        say(
            "Four callers: the package's own `__init__`, `orders/service.py` (`Posting`, `reverse`), the "
            "handlers (`balance`) and "
            "the tests. `account_id` is needed by all parts, so it gets a module of its own below them. "
            "The statement columns "
            "are also fixed by the accountants' import. I have noted the STORNO text for step 4.",
        ),
    ),
)
