"""Small changes of a module's source, one at a time."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_COMPARED: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_CALCULATED: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd,),
}
_OTHER_CALL = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "reversed": "list"}


@dataclass(frozen=True)
class Mutant:
    """``function``: qualified name of the outermost function that holds it; '' outside functions.
    ``lines``: those one of which runs when the changed place does.
    """

    file: str
    number: int
    line: int
    lines: tuple[int, int]
    function: str
    before: str
    after: str
    tree: Callable[[], ast.Module]  # the whole module, changed

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  →  {self.after}"


def mutants(path: Path, shown: str) -> list[Mutant]:
    """Every mutant of the file, in the order of its lines. ``shown``: its name in reports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    starts = {id(node.args): node.lineno for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = []
    for node, parent, outer in _nodes(tree):
        for new in _changed(node):
            changed = partial(_with, tree, node, parent, new)
            before, after = _told(node, new)
            first = getattr(node, "lineno", getattr(parent, "lineno", 1))
            last = getattr(node, "end_lineno", first)
            if isinstance(node, ast.If | ast.While | ast.For | ast.With):
                last = first
            runs = starts.get(id(parent), first)  # a default is there when its function is called
            found.append((first, (runs, last), outer, before, after, changed))
    found.sort(key=lambda one: one[0])
    return [
        Mutant(shown, number, first, lines, outer, before, after, changed)
        for number, (first, lines, outer, before, after, changed) in enumerate(found)
    ]


Place = tuple[ast.AST, ast.AST, str]


def _nodes(tree: ast.Module) -> Iterator[Place]:
    """Nodes that run, with where they stand and the outermost function around them."""
    todo: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while todo:
        parent, outer, inside = todo.pop()
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "type_comment"):
                continue
            for node in value if isinstance(value, list) else [value]:
                if not isinstance(node, ast.AST) or _idle(node, parent):
                    continue
                name, within = outer, inside
                if isinstance(node, ast.FunctionDef) and not inside:
                    name, within = f"{outer}.{node.name}".lstrip("."), True
                elif isinstance(node, ast.ClassDef) and not inside:
                    name = f"{outer}.{node.name}".lstrip(".")
                yield node, parent, outer if inside else ""
                todo.append((node, name, within))


def _idle(node: ast.AST, parent: ast.AST) -> bool:
    """Imports, docstrings, ``__slots__``, what only type checkers run, and messages of refusals."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id in ("__slots__", "__all__", "Warm", "Step") for t in targets)


def _with(tree: ast.Module, node: ast.AST, parent: ast.AST, new: ast.AST) -> ast.Module:
    """A copy of the tree with the new node in that place."""
    ast.copy_location(new, node if hasattr(node, "lineno") else parent)
    memo: dict[int, Any] = {id(node): new}
    return ast.fix_missing_locations(copy.deepcopy(tree, memo))


def _told(node: ast.AST, new: ast.AST) -> tuple[str, str]:
    def text(one: ast.AST) -> str:
        if isinstance(one, ast.If | ast.While | ast.For | ast.With):
            one = copy.copy(one)
            one.body = [ast.Expr(ast.Constant(...))]  # type: ignore[attr-defined]
            if hasattr(one, "orelse"):
                one.orelse = []
        shown = " ".join(ast.unparse(ast.fix_missing_locations(one)).split())
        return shown if len(shown) < 140 else shown[:137] + "…"

    return text(node), text(new)


# --- what becomes of a node ---


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        yield from _compared(node)
    elif isinstance(node, ast.BinOp):
        for other in _CALCULATED.get(type(node.op), ()):
            yield ast.BinOp(node.left, other(), node.right)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
        if len(node.values) > 2:
            for left_out in range(len(node.values)):
                yield ast.BoolOp(node.op, node.values[:left_out] + node.values[left_out + 1 :])
        else:
            yield from node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Call):
        yield from _called(node)
    elif isinstance(node, ast.comprehension) and node.ifs:
        for left_out in range(len(node.ifs)):
            rest = node.ifs[:left_out] + node.ifs[left_out + 1 :]
            yield ast.comprehension(node.target, node.iter, rest, node.is_async)
    elif isinstance(node, ast.stmt):
        yield from _stated(node)


def _compared(node: ast.Compare) -> Iterator[ast.AST]:
    for place, op in enumerate(node.ops):
        for other in _COMPARED.get(type(op), ()):
            yield ast.Compare(
                node.left, [*node.ops[:place], other(), *node.ops[place + 1 :]], node.comparators
            )


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
        yield ast.Constant(value - 1)


def _called(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _OTHER_CALL:
        kept = [] if _OTHER_CALL[name] == "list" else node.keywords
        yield ast.Call(ast.Name(_OTHER_CALL[name], ast.Load()), node.args, kept)
    if name == "sorted" or (isinstance(node.func, ast.Attribute) and node.func.attr == "sort"):
        backwards = [k for k in node.keywords if k.arg == "reverse"]
        others = [k for k in node.keywords if k.arg != "reverse"]
        turned = [] if backwards else [ast.keyword("reverse", ast.Constant(True))]
        yield ast.Call(node.func, node.args, others + turned)
        if any(k.arg == "key" for k in others):
            yield ast.Call(node.func, node.args, [k for k in node.keywords if k.arg != "key"])
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop") and len(node.args) == 2:
        yield ast.Call(node.func, node.args[:1], [])


def _stated(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Delete | ast.Raise | ast.Continue | ast.Break):
        yield ast.Pass()
    elif isinstance(node, ast.Assign) and not all(isinstance(t, ast.Name) for t in node.targets):
        if not any(isinstance(t, ast.Tuple) for t in node.targets):
            yield ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.If) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
        yield ast.If(ast.Constant(True), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.For):
        yield ast.For(node.target, ast.Tuple([], ast.Load()), node.body, node.orelse)
    if isinstance(node, ast.AugAssign):
        for other in _CALCULATED.get(type(node.op), ()):
            yield ast.AugAssign(node.target, other(), node.value)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
