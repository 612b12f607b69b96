"""Value, a number that remembers how it was made, and the sweep that gives every gradient.

    a, b = Value(2.0), Value(-3.0)
    y = (a * b + 10).tanh()         # each operation records a node: its parents and its local derivatives
    y.backward()                    # one sweep from y to the leaves: upstream gradient x local derivative, summed
    a.grad, b.grad                  # dy/da, dy/db

No operation is named here: what they compute, and their derivatives, stand in `autograd.rules`.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NoReturn, TypeVar, overload

from . import modes, recording, rules
from .handmade import Handmade, run_closure
from .numeric import as_number, home, is_number, where
from .rules import Rule

new = object.__new__
Node = TypeVar("Node", bound="Value")
active = modes.active  # nothing in it while no mode is on: looked at once an operation
detecting, unrecorded, remembered = (mode.on.get for mode in (modes.detect_anomaly, modes.no_grad, modes.record))
NOT_COMPUTED = float("0")  # the `grad` of a node that no sweep has reached: 0.0, but an object of its own


def constant(data: Any, like: Value) -> Constant:
    """The node of a plain number that met the Value `like`. Beside an exact number an int stays an int."""
    if type(data) is not float and (type(data) is not int or type(like.data) is float):
        data = as_number(data)
    return blank(Constant, data)


def blank(kind: type[Node], data: Any) -> Node:
    """A leaf, without the checks of `Value(data)`."""
    node = new(kind)
    node.data, node.grad, node._name, node.rule = data, NOT_COMPUTED, "", None
    node._x = node._y = node._dx = node._dy = None
    return node


def record(rule: Rule, operands: tuple[Value, ...]) -> Value:
    """Apply a rule: a new Value with the result, its parents, and each local derivative at this point.

    This is every operation, for every kind of number; `autograd.recording` writes out a shorter way for floats.
    """
    for leaf in operands:
        if type(leaf.data) is not float and leaf._x is None and type(leaf) is not Constant:
            leaf.data = as_number(leaf.data)  # somebody may have assigned an int, or a NumPy scalar
    numbers = tuple([operand.data for operand in operands])
    block = modes.recording_block() if active else None
    try:
        node = blank(Recorded if block else Value, rule.forward(*numbers))
        slopes = () if active and modes.no_grad.on.get() else rule.slopes(numbers, node.data)
    except TypeError as error:
        error.add_note(f"while computing {rule.name} of {', '.join(map(repr, numbers[:5]))}")
        raise
    if active and modes.detect_anomaly.on.get():
        modes.check_finite(rule, operands, node.data, [s for x, s in zip(operands, slopes) if type(x) is not Constant])
    if active and modes.no_grad.on.get():
        return node
    if len(slopes) != len(operands):
        raise TypeError(
            f"rule {rule.name!r} gave {len(slopes)} slopes for {len(operands)} operands; it must give one for each"
        )
    if rule.choice:  # None is an edge that carries nothing, whatever comes from upstream
        slopes = [None if slope == 0 else slope for slope in slopes]
    slopes = tuple(slopes)
    if block and isinstance(node, Recorded):
        node.block = block
    node.rule = rule
    if rule.arity == 1:
        (node._x,), (node._dx,) = operands, slopes
    elif rule.arity == 2:
        (node._x, node._y), (node._dx, node._dy) = operands, slopes
    else:
        node._x, node._y = operands, slopes
    return node


def describe(rule: Rule) -> str:
    """The docstring of the functions and methods of a rule."""
    return (
        f"The operation {rule.name!r}, as `autograd.rules` has it; README.md lists every operation and its derivatives."
    )


def method(rule: Rule, operator: bool = False) -> Callable[..., Value]:
    """A rule of one or two operands as a method of Value; as an operator it leaves what is no number to the other's class."""

    def unary(x: Value) -> Value:
        return record(rule, (x,))

    def binary(x: Value, y: Any) -> Any:
        if not isinstance(y, Value):
            if operator and not is_number(y):
                return NotImplemented
            y = constant(y, x)
        return record(rule, (x, y))

    found = recording.shortened(rule, unary if rule.arity == 1 else binary, globals())
    found.__name__, found.__qualname__, found.__doc__ = rule.name, f"Value.{rule.name}", describe(rule)
    return found


def reflected(operator: Callable[..., Value]) -> Callable[..., Value]:
    """An operator for `2 + y`, where only the right operand is a Value."""

    def operate(y: Value, x: Any) -> Any:
        if type(x) is float:
            return operator(blank(Constant, x), y)
        return operator(constant(x, y), y) if is_number(x) else NotImplemented

    return operate


SIGNS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def comparison(name: str) -> Callable[..., bool]:
    """`<`, `<=`, `>` or `>=` of data; within `record()` a `Comparison`, which remembers that it was asked."""

    def compare(x: Value, y: Any) -> Any:
        number = y.data if isinstance(y, Value) else y
        if not is_number(number):
            return NotImplemented
        outcome = getattr(operators, name)(x.data, number)
        block = modes.recording_block() if active else None
        if block is None or home(outcome) == "sympy":  # whose relations may have no truth yet
            return outcome
        from .branches import Comparison

        return Comparison(x, as_value(y, x), SIGNS[name], outcome, block)

    return compare


def power_method(exponent: Any) -> Callable[[Value], Value]:
    return method(rules.power_of(exponent))


# The method of `**exponent`, by the exponent's type: `**2` is not `**2.0`. A look-up takes a tenth of the operation's time.
power_methods = {kind: lru_cache(maxsize=1024)(power_method) for kind in (int, float)}


class Value:
    """A number in a graph.

    Args:
        data: any real scalar. int and float, and NumPy's scalars, are kept as float; complex, Fraction, Decimal, mpmath's
            and SymPy's numbers as they are. Anything else raises TypeError.
        label: the name that drawings and errors give it.

    Attributes:
        data: the number.
        grad: d root / d self after `root.backward()`; 0.0 at first. Leaves accumulate over sweeps, other nodes do not.
        label: its name, "" if it has none.
        rule: the operation that made it (an `autograd.rules.Rule`); None for a leaf.

    `==` and hash are identity; `<`, `<=`, `>`, `>=` compare data. A graph made of Values is freed as soon as nothing
    refers to its root. `_children` and `_op` make a node by hand, whose derivative is assigned to `_backward`.
    """

    # A node of one or two operands keeps them in _x and _y, and its local derivatives in _dx and _dy, evaluated when it is
    # made: one tracked object a node instead of three, and the garbage collector's time is most of the cost. A node of
    # many has both as tuples, in _x and _y. A leaf has no _x. _name is the label, or what `autograd.naming` puts there to
    # say which part of a model gave the node, with its label.
    __slots__ = ("_dx", "_dy", "_name", "_x", "_y", "data", "grad", "rule")

    def __init__(self, data: Any, _children: Iterable[Value] = (), _op: str = "", label: str = "") -> None:
        self.data: Any = as_number(data)
        self.grad: Any = NOT_COMPUTED
        self._name: Any = label
        children = tuple(_children) if hasattr(_children, "__iter__") else (_children,)
        if not all(isinstance(child, Value) for child in children):
            raise TypeError(f"_children are the Values that this one is made from, got {_children!r:.200}")
        self.rule: Any = Handmade(_op) if _op or children else None
        self._x: Any = children or None
        self._y: Any = None
        self._dx: Any = None
        self._dy: Any = None

    @property
    def label(self) -> Any:
        """Its name in drawings and errors; "" if it has none."""
        return getattr(self._name, "label", self._name)

    @label.setter
    def label(self, label: Any) -> None:
        self._name = self._name.labelled(label) if hasattr(self._name, "labelled") else label

    # ---- how it was made -------------------------------------------------------------------------------------------

    @property
    def parents(self) -> tuple[Value, ...]:
        """The nodes it was made from, in order; `a + a` has two, a leaf none."""
        x, y = self._x, self._y
        return () if x is None else x if type(x) is tuple else (x,) if y is None else (x, y)

    @property
    def local_derivatives(self) -> tuple[Callable[..., Any], ...]:
        """The rule's partials, one per parent: called as `partial(*parents, self)` they give d self / d parent.

        Raises TypeError for a node made by hand, whose derivative is a closure.
        """
        if self.rule is None:
            return ()
        rule = derivable(self)
        if not callable(rule.partials):
            return rule.partials
        return tuple(lambda *read, i=i: rule.slopes(read[:-1], read[-1])[i] for i in range(len(self.parents)))

    @property
    def slopes(self) -> tuple[Any, ...]:
        """The local derivatives' numbers, one per parent, as recorded; None to a constant, or if made by hand."""
        if type(self.rule) is Handmade:
            return (None,) * len(self.parents)
        return tuple(None if type(p) is Constant else 0.0 if s is None else s for p, s in edges(self))

    _prev = parents

    @property
    def _op(self) -> str:
        return self.rule.name if self.rule else ""

    @property
    def _backward(self) -> Callable[[], None]:
        """Adds this node's contributions into its parents' `grad`; assign a closure to replace the rule's derivative."""

        def contribute() -> None:
            for parent, contribution in contributions(self, self.grad):
                parent.grad = add_to(parent.grad, contribution)

        return contribute

    @_backward.setter
    def _backward(self, closure: Callable[[], object]) -> None:
        self._x, self._y, self._dx, self._dy = self.parents, None, None, None
        self.rule = Handmade(self._op, closure)

    # ---- gradients -------------------------------------------------------------------------------------------------

    def backward(self, create_graph: bool = False) -> None:
        """Add d self / d leaf into the `grad` of every leaf below, and set every other node's to d self / d node.

        With `create_graph` the gradients are Values, which can be differentiated again. If the sweep is interrupted, every
        leaf is left as it was.

        Raises TypeError or RuntimeError with `create_graph` as `gradients` does, and FloatingPointError within
        `detect_anomaly()`. A root that was made within `no_grad()` is a leaf: there is nothing below it.
        """
        if not create_graph:
            from .sweeping import sweep  # the same in the nodes' own slots: twice as fast

            return sweep(self)
        order = topological_sort(self)
        upstream = upstream_gradients(self, order, create_graph=True)
        before = [(node, node.grad) for node in order]
        try:
            for node in order:
                if type(node) is not Constant:
                    found = as_value(upstream.get(node, 0.0), self)
                    node.grad = add_to(node.grad, found) if node._x is None else found
        except BaseException:
            for node, grad in before:
                node.grad = grad
            raise

    def zero_grad(self) -> None:
        """Reset the `grad` of every node from here down."""
        for node in topological_sort(self):
            node.grad = NOT_COMPUTED

    def detach(self) -> Value:
        """A new leaf with the same data: gradients stop there."""
        return Value(self.data)

    def __reduce_ex__(self, protocol: Any) -> Any:
        from .pickling import reduce_value

        return reduce_value(self)

    def __copy__(self) -> Value:
        from .pickling import copy_value

        return copy_value(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        from .pickling import deepcopy_value

        return deepcopy_value(self, memo)

    # ---- as a number -----------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "the truth of a Value is ambiguous: compare its number, as in `v.data != 0`, "
            "or choose between Values with autograd.where(condition, x, y)"
        )

    def __float__(self) -> NoReturn:
        raise TypeError(
            "float(v), int(v) and the math module would cut the graph in silence: use v.data for the number, "
            "or autograd's own function (autograd.exp(v), v.exp()) for the operation"
        )

    __int__ = __complex__ = __float__

    def _sympy_(self) -> NoReturn:  # a SymPy number on the left then leaves the operation to Value
        from sympy import SympifyError

        raise SympifyError(self)

    def __pos__(self) -> Value:
        return self

    # ---- one line per operation ------------------------------------------------------------------------------------

    __lt__, __le__, __gt__, __ge__ = map(comparison, SIGNS)
    __add__ = method(rules.ADD, operator=True)
    __radd__ = reflected(__add__)
    __sub__ = method(rules.SUB, operator=True)
    __rsub__ = reflected(__sub__)
    __mul__ = method(rules.MUL, operator=True)
    __rmul__ = reflected(__mul__)
    __truediv__ = method(rules.DIV, operator=True)
    __rtruediv__ = reflected(__truediv__)
    __neg__ = method(rules.NEG)
    __abs__ = abs = method(rules.ABS)
    _power = method(rules.POW, operator=True)
    __rpow__ = reflected(_power)

    def __pow__(self, exponent: Any) -> Value:
        lookup = power_methods.get(type(exponent))
        if lookup and exponent:  # 0.0 and -0.0 would be found as one
            return lookup(exponent)(self)
        if isinstance(exponent, Value) or not is_number(exponent):
            return self._power(exponent)
        return record(rules.power_of(exponent), (self,))

    sqrt = method(rules.SQRT)
    cbrt = method(rules.CBRT)
    exp = method(rules.EXP)
    expm1 = method(rules.EXPM1)
    log = method(rules.LOG)
    log1p = method(rules.LOG1P)
    log2 = method(rules.LOG2)
    log10 = method(rules.LOG10)
    sin = method(rules.SIN)
    cos = method(rules.COS)
    tan = method(rules.TAN)
    asin = method(rules.ASIN)
    acos = method(rules.ACOS)
    atan = method(rules.ATAN)
    sinh = method(rules.SINH)
    cosh = method(rules.COSH)
    tanh = method(rules.TANH)
    sigmoid = method(rules.SIGMOID)
    logsigmoid = method(rules.LOGSIGMOID)
    relu = method(rules.RELU)
    softplus = method(rules.SOFTPLUS)
    silu = method(rules.SILU)
    erf = method(rules.ERF)
    normal_cdf = method(rules.NORMAL_CDF)
    minimum = method(rules.MINIMUM)
    maximum = method(rules.MAXIMUM)
    hypot = method(rules.HYPOT)
    atan2 = method(rules.ATAN2)

    def leaky_relu(self, slope: Any = 0.01) -> Value:
        return record(rules.leaky_relu(slope), (self,))

    def elu(self, alpha: Any = 1.0) -> Value:
        return record(rules.elu(alpha), (self,))

    def gelu(self, approximate: str = "none") -> Value:
        return record(rules.gelu(approximate), (self,))


class Constant(Value):
    """A plain number that met a Value: it takes no gradient."""

    __slots__ = ()


class Recorded(Value):
    """A node that was made within `record()`: a Value that knows the block. A copy of it is a plain Value."""

    __slots__ = ("block",)

    block: modes.Block


# ---- the sweep -----------------------------------------------------------------------------------------------------


def topological_sort(root: Value) -> list[Value]:
    """Every node from `root` down, parents before their node; no recursion, so no depth is too deep.

    Why sort at all: a node may hand its gradient on only when all of its own contributions have come in.
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if node is None:  # every parent of the next one is in the order
            order.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *node.parents)
    return order


def seed(output: Value) -> Any:
    """d output / d output, as an int where the output is exact."""
    return 1.0 if type(output.data) is float else 1


def add_to(grad: Any, contribution: Any) -> Any:
    """grad + contribution; a plain zero is replaced, since not every exact number can be added to 0.0."""
    return contribution if grad is None or (not isinstance(grad, Value) and grad == 0) else grad + contribution


def derivable(node: Value) -> Rule:
    """The rule of a node, or a TypeError if its derivative is a closure, which can only be run on numbers."""
    if isinstance(node.rule, Rule):
        return node.rule
    raise TypeError(
        f"{node!r} ({node._op or 'no operation'}) was made by hand: its _backward closure gives numbers, but no formula to "
        "differentiate again; make it an autograd.operation(Rule(...))"
    )


def edges(node: Value) -> Iterable[tuple[Value, Any]]:
    """(parent, local derivative's number) of a node made by a rule; None to a constant or to what was not chosen."""
    slopes = node._y if type(node._x) is tuple else (node._dx, node._dy)
    return [(parent, None if type(parent) is Constant else slope) for parent, slope in zip(node.parents, slopes)]


def contributions(node: Value, upstream: Any) -> list[tuple[Value, Any]]:
    """What a node hands to its parents: upstream gradient x local derivative."""
    if type(node.rule) is Handmade:
        return run_closure(node, upstream)
    return [(parent, upstream * slope) for parent, slope in edges(node) if slope is not None]


def contributions_as_graph(node: Value, upstream: Any) -> list[tuple[Value, Any]]:
    """The same, the local derivatives read with the nodes themselves, so that the products are Values."""
    rule = derivable(node)
    numbers, recorded = tuple([parent.data for parent in node.parents]), [slope for _, slope in edges(node)]
    now = [rule.forward(*numbers), *rule.slopes(numbers, node.data)]
    if not all(then is None or same(then, x) for then, x in zip((node.data, *recorded), now, strict=True)):
        raise RuntimeError(
            f"{node!r} ({rule.name}) was recorded at other numbers than its parents hold now ({numbers[:5]}): "
            "their data was changed after the forward pass; run the forward pass again"
        )
    again = rule.choice and active and modes.recording_block()  # in a replay another operand may be chosen
    wanted = [s is not None or (again and type(parent) is not Constant) for parent, s in zip(node.parents, recorded)]
    if callable(rule.partials):
        locals_ = rule.partials(node.parents, node)
    else:
        read = (*node.parents, node)
        locals_ = [partial(*read) if x else None for partial, x in zip(rule.partials, wanted, strict=True)]
    hand_on = times_if_chosen if again else times
    return [(parent, hand_on(upstream, s)) for parent, s, x in zip(node.parents, locals_, wanted, strict=True) if x]


def upstream_gradients(output: Value, order: list[Value], create_graph: bool) -> dict[Value, Any]:
    """d output / d node for every node that a contribution reaches, without touching any grad."""
    upstream: dict[Value, Any] = {output: seed(output)}
    zero, contribute = seed(output) * 0, contributions_as_graph if create_graph else contributions
    for node in reversed(order):
        if node._x is not None:
            for parent, term in contribute(node, upstream.setdefault(node, zero)):
                upstream[parent] = upstream[parent] + term if parent in upstream else term
    return upstream


@overload
def gradients(output: Value, inputs: Value, create_graph: bool = False) -> Any: ...
@overload
def gradients(output: Value, inputs: Sequence[Value], create_graph: bool = False) -> list[Any]: ...
def gradients(output: Value, inputs: Value | Sequence[Value], create_graph: bool = False) -> Any:
    """d output / d input of one Value (returns one gradient) or of a sequence (returns a list); no `grad` is touched.

    An input that the output does not depend on gets 0.0. With `create_graph` the gradients are Values, and can be
    differentiated again.

    Raises:
        TypeError: output or an input is not a Value; with `create_graph`, a node's derivative is a closure made by hand.
        RuntimeError: with `create_graph`, the data of a node was changed after the forward pass.
    """
    wanted = list(inputs) if hasattr(inputs, "__iter__") else [inputs]
    for given in (output, *wanted):
        if not isinstance(given, Value):
            raise TypeError(f"gradients(output, inputs) takes Values, got {given!r:.80} of type {type(given).__name__}")
    upstream = upstream_gradients(output, topological_sort(output), create_graph)
    found = [upstream.get(x, 0.0) for x in wanted]
    if create_graph:
        found = [as_value(x, output) for x in found]
    return found[0] if isinstance(inputs, Value) else found


def as_value(x: Any, like: Value) -> Value:
    """x itself, or the constant of a plain number: a gradient that depends on nothing."""
    return x if isinstance(x, Value) else constant(x, like)


def times(x: Any, y: Any) -> Any:
    """x * y, without a node for a plain factor of 1."""
    return y if not isinstance(x, Value) and x == 1 else x if not isinstance(y, Value) and y == 1 else x * y


def times_if_chosen(upstream: Any, local: Any) -> Any:
    """upstream * local of a choice within `record()`: exactly 0 where the local derivative is, wherever that will be."""
    return where(abs(local) <= 0, 0, times(upstream, local))


def same(x: Any, y: Any) -> bool:
    """Equal, or both NaN."""
    return bool(x == y or (x != x and y != y))
