CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL
);

CREATE TABLE postings (
    id INTEGER PRIMARY KEY,
    booking TEXT NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    cents INTEGER NOT NULL,
    text TEXT NOT NULL,
    booked_at TEXT NOT NULL
);

CREATE INDEX postings_account ON postings (account_id, booked_at);
