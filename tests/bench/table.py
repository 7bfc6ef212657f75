"""What every benchmark prints: one line a figure, with its floor or target and the ratio to it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``beside``: a target or floor in the same unit; ``note`` says which."""

    name: str
    value: float
    unit: str
    beside: float | None = None
    note: str = ""

    def line(self) -> str:
        """The figure as one row."""
        ratio = f"{self.value / self.beside:8.2f}×" if self.beside else " " * 9
        beside = f"{self.beside:>10,.2f}" if self.beside is not None else " " * 10
        return f"  {self.name:<46}{self.value:>12,.2f} {self.unit:<9}{beside}{ratio}  {self.note}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value at that share (0 to 1) of the sorted values, nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def show(title: str, figures: Sequence[Figure]) -> None:
    """Prints a table."""
    print(f"\n{title}\n  {'figure':<46}{'measured':>12} {'unit':<9}{'beside':>10}{'ratio':>9}")
    for figure in figures:
        print(figure.line())
