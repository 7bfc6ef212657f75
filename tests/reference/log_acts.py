from dataclasses import dataclass
@dataclass
class Act:
    seq: int
