"""A program: Python source, identified by the hash of its normalised syntax.

Two programs with one identity do the same. What is dropped cannot be seen by the program itself:
comments, docstrings, the names of local variables, function annotations that are sure to evaluate.
Parameters keep their names (they can be called by keyword), and so do module-level names (a
harness may look them up). Where a program can look at itself (`locals`, `eval`, `__doc__`, ...)
nothing is renamed and docstrings stay. Soundness goes before hits.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from functools import lru_cache

from evolve.errors import Unparsable
from evolve.scopes import rename_locals

REFLECTION = frozenset(
    (
        *("locals", "globals", "vars", "dir", "eval", "exec", "compile", "help"),
        *("__doc__", "__dict__", "__code__", "__name__", "__qualname__", "__annotations__"),
        *("__builtins__", "__import__", "__globals__", "__closure__", "f_locals", "_getframe"),
        *("inspect", "traceback", "sys", "builtins", "gc", "importlib", "ast", "dis", "symtable"),
        *("get_type_hints", "signature", "singledispatch", "singledispatchmethod"),
        *("tb_frame", "gi_frame", "cr_frame"),
    )
)
"""Names by which a program could see its own names, docstrings or annotations."""

PLAIN_TYPES = frozenset(("int", "float", "bool", "str", "bytes", "complex", "object"))
GENERIC_TYPES = frozenset(("list", "dict", "tuple", "set", "frozenset", "type"))
NUMPY_TYPES = frozenset(("ndarray", "random.Generator", "random.RandomState"))
TYPING_MODULES = frozenset(("typing", "collections.abc"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
REMEMBERED = 8192  # programs, some hundred bytes each: more than there are steps under way
DIGEST_BYTES = 16  # two of 2**64 programs would be expected to collide


def program_id(source: str) -> str:
    """Give the BLAKE2b hash (32 hex digits) of the normalised syntax.

    Stable within one minor version of Python. Raises: Unparsable.
    """
    return _measured(source)[0]


def count_nodes(source: str) -> int:
    """Count the syntax nodes after normalisation, a size that formatting cannot change.

    Raises: Unparsable.
    """
    return _measured(source)[1]


@lru_cache(maxsize=REMEMBERED)
def _measured(source: str) -> tuple[str, int]:
    """Give identity and size; both are asked for many times for each program of a run."""
    tree = normalised(source)
    try:
        text = ast.dump(tree, annotate_fields=False)
    except (RecursionError, ValueError) as error:  # ValueError: an integer of over 4,300 digits
        raise Unparsable(f"line 1: {_too_large(error)}") from error
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES)
    nodes = sum(not isinstance(node, ast.expr_context) for node in ast.walk(tree))
    return digest.hexdigest(), nodes


def parse(source: str) -> ast.Module:
    """Parse a program and make sure that Python would compile it.

    Raises: Unparsable, its message opening with the line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "is" with a literal and the like are no errors
            tree = ast.parse(source)
            compile(tree, "<program>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Unparsable(f"line {error.lineno or 1}: {error.msg}") from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise Unparsable(f"line 1: {_too_large(error)}") from error
    return tree


def normalised(source: str) -> ast.Module:
    """Parse a program and drop everything that it cannot see of itself. Raises: Unparsable."""
    tree = parse(source)
    try:
        if _looks_at_itself(tree):
            return tree
        _drop_annotations(tree)
        _drop_idle_statements(tree)
        rename_locals(tree)
    except RecursionError as error:
        raise Unparsable(f"line 1: {_too_large(error)}") from error
    return tree


def _too_large(error: BaseException) -> str:
    if isinstance(error, (RecursionError, MemoryError)):
        return "expressions or blocks are nested too deeply"
    return str(error) or "this is no Python source"


def _looks_at_itself(tree: ast.Module) -> bool:
    idle = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return any(
        not REFLECTION.isdisjoint(_words(node)) for node in ast.walk(tree) if id(node) not in idle
    )


def _words(node: ast.AST) -> list[str]:
    """Give the identifiers of one node, and strings, which `getattr` could make identifiers of."""
    match node:
        case ast.Name(id="__name__"):  # `if __name__ == "__main__"` is harmless
            return []
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return [name]
        case ast.Constant(value=str(text)):
            return re.findall(r"\w+", text)
        case ast.alias(name=name):
            return name.split(".")
        case ast.ImportFrom(module=module):
            return (module or "").split(".")
        case _:
            return []


def _drop_annotations(tree: ast.Module) -> None:
    """Drop annotations of functions and their variables, unless evaluating them could fail."""
    lazy = _annotations_are_lazy(tree)
    types = _names_of_types(tree)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        node.body = [_without_annotation(statement) for statement in node.body]
        if node.decorator_list:  # a decorator may read them
            continue
        if node.returns is not None and (lazy or _evaluates(node.returns, types)):
            node.returns = None
        for argument in _all_arguments(node.args):
            if argument.annotation is not None and (lazy or _evaluates(argument.annotation, types)):
                argument.annotation = None


def _annotations_are_lazy(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )


def _names_of_types(tree: ast.Module) -> dict[str, str]:
    """Map names that are sure to be types, such as `np.ndarray`, to "plain" or "generic"."""
    types = dict.fromkeys(PLAIN_TYPES, "plain") | dict.fromkeys(GENERIC_TYPES, "generic")
    stored = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    stored |= {node.name for node in ast.walk(tree) if isinstance(node, Definition)}
    types = {name: kind for name, kind in types.items() if name not in stored}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "numpy" and (alias.asname or "numpy") not in stored:
                    types |= {f"{alias.asname or 'numpy'}.{name}": "plain" for name in NUMPY_TYPES}
        if isinstance(node, ast.ImportFrom) and node.module in TYPING_MODULES and not node.level:
            bound = {alias.asname or alias.name for alias in node.names} - stored
            types |= dict.fromkeys(bound, "generic")
    return types


def _evaluates(annotation: ast.expr, types: dict[str, str]) -> bool:
    """Tell whether an annotation is sure to evaluate without an error or an effect."""
    match annotation:
        case ast.Constant():
            return True
        case ast.Name() | ast.Attribute():
            return ast.unparse(annotation) in types
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):  # `"A" | None` is an error
            sides = [left, right]
            return all(
                not isinstance(side, ast.Constant) and _evaluates(side, types)
                for side in (sides if not _is_none(right) else sides[:1])
            )
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in GENERIC_TYPES:
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return types.get(name) == "generic" and all(_evaluates(item, types) for item in items)
        case _:
            return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _without_annotation(statement: ast.stmt) -> ast.stmt:
    """Turn `x: int = 1` of a function into `x = 1`: such annotations are never evaluated."""
    if (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.simple
        and statement.value is not None
    ):
        plain = ast.Assign(targets=[statement.target], value=statement.value)
        return ast.copy_location(plain, statement)
    return statement


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    maybe = [arguments.vararg, arguments.kwarg]
    plain = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return plain + [argument for argument in maybe if argument is not None]


def _drop_idle_statements(tree: ast.Module) -> None:
    """Drop docstrings, other constants that stand alone, and `pass` where it is not needed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None  # u"text" is "text"
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if not isinstance(block, list) or not block:
                continue
            kept = [statement for statement in block if not _is_idle(statement)]
            needs_one = field == "body" and not kept and not isinstance(node, ast.Module)
            setattr(node, field, [ast.Pass()] if needs_one else kept)


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
