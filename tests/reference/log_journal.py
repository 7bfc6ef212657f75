from dataclasses import dataclass, field
@dataclass
class LogJournal:
    rules: list = field(default_factory=list)
    required: list = field(default_factory=list)
