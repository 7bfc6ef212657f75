"""What the scripted model is going to do: tasks, each a request of the user and the steps that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. ``needs``: files whose whole text must be in the prompt before it can be done."""

    do: Literal["study", "edit", "check", "grep", "plan", "answer"]
    text: str  # what the model says
    needs: tuple[str, ...] = ()
    target: str = ""  # edit: the file; check: the check; grep: the pattern
    ticket: int = 0  # edit: whose function is added; plan: which is done
    bad_base: bool = False  # plan: stage the update on a version that is not the last committed one


@dataclass(frozen=True, slots=True)
class Task:
    ask: str
    steps: tuple[Step, ...]


ZONES, RATES, HOLIDAYS = "parcel/zones.py", "parcel/rates.py", "parcel/holidays.py"
LABELS, RETURNS = "parcel/labels.py", "parcel/returns.py"
INVOICES, TRACKING = "parcel/invoices.py", "parcel/tracking.py"

TASKS: tuple[Task, ...] = (
    Task(
        "PD-12: parcels to islands cost two euros more. Put it where prices are made.",
        (
            Step("grep", "I look where zones are used.", target=r"zone"),
            Step("study", "I know now which towns are islands.", needs=(ZONES,)),
            Step("study", "The rates are by zone and weight step.", needs=(RATES, ZONES)),
            Step("edit", "I add the surcharge.", needs=(RATES, ZONES), target=RATES, ticket=12),
            Step("check", "I run the module check.", target="modules"),
            Step("check", "And the style check.", target="style"),
            Step("plan", "PD-12 is done; I bring the plan up to date.", ticket=12),
            Step(
                "answer", "Parcels to islands now cost 200 cents more. The rates table itself is unchanged."
            ),
        ),
    ),
    Task(
        "PD-15: the label has to show the zone.",
        (
            Step("study", "I read what is printed now.", needs=(LABELS,)),
            Step("edit", "I add the zone to the label.", needs=(LABELS, ZONES), target=LABELS, ticket=15),
            Step("check", "I run the module check.", target="modules"),
            Step("check", "And the style check.", target="style"),
            Step("plan", "PD-15 is done.", ticket=15),
            Step("answer", "The label shows the zone. Nothing else changed on it."),
        ),
    ),
    Task(
        "PD-18: returns are free within thirty days; say how the desk knows the first scan.",
        (
            Step("study", "I read how returns are kept.", needs=(RETURNS,)),
            Step("study", "And how a parcel's place is known.", needs=(TRACKING,)),
            Step("grep", "I look for scans.", target=r"scan"),
            Step(
                "edit", "I add the rule of thirty days.", needs=(RETURNS, TRACKING), target=RETURNS, ticket=18
            ),
            Step("check", "I run the module check.", target="modules"),
            Step("check", "And the style check.", target="style"),
            Step(
                "plan", "PD-18 is done; I write it over the plan as I remember it.", ticket=18, bad_base=True
            ),
            Step(
                "answer",
                "Returns are free for thirty days after the first scan. The scan comes with the record.",
            ),
        ),
    ),
    Task(
        "PD-21: invoices must be in whole cents, surcharge included.",
        (
            Step("study", "I read the invoices.", needs=(INVOICES,)),
            Step("edit", "I add the sum.", needs=(INVOICES, RATES), target=INVOICES, ticket=21),
            Step("check", "I run the module check.", target="modules"),
            Step("check", "And the style check.", target="style"),
            Step("plan", "PD-21 is done.", ticket=21),
            Step("answer", "Invoices add up whole cents. The surcharge of PD-12 is in the price."),
        ),
    ),
    Task(
        "PD-24: tracking must not promise a delivery on a holiday.",
        (
            Step("study", "I need the closed days.", needs=(HOLIDAYS,)),
            Step("study", "And tracking beside them.", needs=(TRACKING, HOLIDAYS)),
            Step("edit", "I skip closed days.", needs=(TRACKING, HOLIDAYS), target=TRACKING, ticket=24),
            Step("check", "I run the module check.", target="modules"),
            Step("check", "And the style check.", target="style"),
            Step("study", "A last look at zones and rates, for the summary.", needs=(ZONES, RATES)),
            Step("plan", "PD-24 is done, and with it the list.", ticket=24),
            Step("answer", "Expected days skip holidays. All five tickets are done and checked."),
        ),
    ),
)
