"""Who binds which name: Python's scopes over a syntax tree, and the renaming of local variables."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

TYPE_PARAMETERS = "type_params"  # of Python 3.12; such programs are left as they are

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def rename_locals(tree: ast.Module) -> None:
    """Rename the local variables of all functions and comprehensions, in place.

    The new names number the variables in the order in which they first appear; they are no
    identifiers, so they meet no other name. Kept as they are: parameters, classes, names that
    begin with two underscores, `import a.b`, and everything of module and class scope.
    """
    if any(getattr(node, TYPE_PARAMETERS, None) for node in ast.walk(tree)):
        return
    _Renamer().visit_scope(tree.body, _Scope("module"))


def bound_names(statements: Iterable[ast.AST]) -> set[str]:
    """Give the names that these statements bind in their own scope, parameters apart."""
    return _bound(_own_nodes(statements))


@dataclass
class _Scope:
    """One scope; `names` maps what it binds to new names, to themselves where kept."""

    kind: str
    outer: _Scope | None = None
    names: dict[str, str | None] = field(default_factory=dict)

    def lookup(self, name: str) -> tuple[_Scope, str] | None:
        """Find the scope that binds a name seen from here, by Python's rules."""
        if name in self.names:
            return self, name
        scope = self.outer
        while scope is not None:
            # A class body is invisible to the functions in it.
            if scope.kind == "function" and name in scope.names:
                return scope, name
            scope = scope.outer
        return None


class _Renamer(ast.NodeTransformer):
    """Walks a tree in order of appearance with the scope at hand."""

    def __init__(self) -> None:
        self.scope = _Scope("module")
        self.count = 0

    def visit_scope(self, nodes: Iterable[ast.AST], scope: _Scope) -> None:
        before, self.scope = self.scope, scope
        for node in nodes:
            self.visit(node)
        self.scope = before

    def new_name(self, name: str) -> str:
        """Give what a name is called from here on; variables are numbered at their first sight."""
        found = self.scope.lookup(name)
        if found is None:
            return name
        scope, name = found
        if scope.names[name] is None:
            scope.names[name] = f"%{self.count}"
            self.count += 1
        return scope.names[name] or name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.new_name(node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.name = self.new_name(node.name)
        for outside in (*node.decorator_list, node.returns):
            if outside is not None:
                self.visit(outside)
        self._visit_arguments(node.args)
        self.visit_scope(node.body, _function_scope(node, self.scope))
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._visit_arguments(node.args)
        self.visit_scope([node.body], _function_scope(node, self.scope))
        return node

    def _visit_arguments(self, arguments: ast.arguments) -> None:
        """Visit defaults and annotations, which belong to the scope outside."""
        for outside in (*arguments.defaults, *arguments.kw_defaults):
            if outside is not None:
                self.visit(outside)
        for argument in _parameters(arguments):
            if argument.annotation is not None:
                self.visit(argument.annotation)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        own = _own_nodes(node.body)
        kept = _bound(own) - _declared(own, ast.Nonlocal) | _declared(own, ast.Global)
        names: dict[str, str | None] = {name: name for name in kept}
        self.visit_scope(node.body, _Scope("class", self.scope, names))
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehension(node, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node, [node.key, node.value])

    def _comprehension(self, node: Comprehension, results: list[ast.expr]) -> ast.AST:
        """Visit a comprehension: its first iterable belongs to the scope outside."""
        self.visit(node.generators[0].iter)
        targets = bound_names(part.target for part in node.generators)
        scope = _Scope("function", self.scope, {name: _fresh(name) for name in targets})
        inside: list[ast.AST] = []
        for position, part in enumerate(node.generators):
            inside += [part.target, *([part.iter] if position else []), *part.ifs]
        self.visit_scope([*inside, *results], scope)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self.new_name(name) for name in node.names]
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name is not None:
            node.name = self.new_name(node.name)
        return self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        self.generic_visit(node)
        if node.name is not None:
            node.name = self.new_name(node.name)
        return node

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        if node.name is not None:
            node.name = self.new_name(node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        self.generic_visit(node)
        if node.rest is not None:
            node.rest = self.new_name(node.rest)
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        bound = node.asname or node.name
        if bound != "*" and "." not in bound:
            new = self.new_name(bound)
            node.asname = new if node.asname or new != bound else None
        return node


def _function_scope(node: Function, outer: _Scope) -> _Scope:
    own = _own_nodes([node.body] if isinstance(node, ast.Lambda) else node.body)
    names = {name: _fresh(name) for name in _bound(own) - _declared(own, ast.Nonlocal)}
    kept = {sub.name for sub in own if isinstance(sub, ast.ClassDef)}
    kept |= {argument.arg for argument in _parameters(node.args)}
    kept |= {name for sub in own for name in _dotted(sub)}
    kept |= _declared(own, ast.Global)
    return _Scope("function", outer, names | {name: name for name in kept})


def _fresh(name: str) -> str | None:
    """Give None, "to be numbered", or the name itself where Python itself looks at it."""
    return name if name.startswith("__") else None


def _own_nodes(body: Iterable[ast.AST]) -> list[ast.AST]:
    return [node for part in body for node in _in_scope(part)]


def _declared(
    nodes: Iterable[ast.AST], declaration: type[ast.Global] | type[ast.Nonlocal]
) -> set[str]:
    return {name for node in nodes if isinstance(node, declaration) for name in node.names}


def _dotted(node: ast.AST) -> list[str]:
    """Give what `import a.b` binds, `a`: it cannot be renamed."""
    if not isinstance(node, ast.Import):
        return []
    return [
        alias.name.split(".")[0] for alias in node.names if "." in alias.name and not alias.asname
    ]


def _bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Give the names that these nodes themselves bind."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.MatchMapping(rest=str(name)):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.split(".")[0] for alias in aliases}
    return names


def _in_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a node without entering scopes of their own, but for what leaks out of them.

    Of a function, defaults and decorators belong to the scope outside; of a comprehension, the
    first iterable, and assignment expressions anywhere in it.
    """
    yield node
    if isinstance(node, Function):
        outside: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults]
        if not isinstance(node, ast.Lambda):
            outside += node.decorator_list
        children: Iterable[ast.AST] = [part for part in outside if part is not None]
    elif isinstance(node, ast.ClassDef):
        children = [*node.decorator_list, *node.bases, *node.keywords]
    elif isinstance(node, Comprehension):
        yield from _in_scope(node.generators[0].iter)
        yield from _leaks(node)
        return
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        yield from _in_scope(child)


def _leaks(node: ast.AST) -> Iterator[ast.AST]:
    """Give the targets of assignment expressions that a comprehension hands to its function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Lambda):
            continue
        if isinstance(child, ast.NamedExpr):
            yield child.target
        yield from _leaks(child)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    maybe = [arguments.vararg, arguments.kwarg]
    plain = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    return plain + [argument for argument in maybe if argument is not None]
