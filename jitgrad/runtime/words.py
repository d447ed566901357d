"""Integer Python -> LLVM IR text, for the native driver: `lower(kernel, symbol)`.

Numba takes half a second for the driver, and every process that finds no disk cache waits for it;
this takes a hundredth of that. Every value is a 64-bit word; a pointer is its address, and p[i] the
word i behind it. There are assignments, `if`, `while`, `for` over a range, `return`, integer
arithmetic, comparisons, `min`, `max` and calls: of functions written in the same way, and of those
that a kernels module has as LLVM text in its `_llvm` twin. Anything else is refused by line.
Imports `interpret`, never Numba.
"""

import ast
import importlib
import importlib.util
import inspect

import numpy as np

from .interpret import ERROR_BYTES, execute

_ARITHMETIC = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.LShift: "shl",
    ast.RShift: "ashr",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}
_COMPARISONS = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "slt",
    ast.LtE: "sle",
    ast.Gt: "sgt",
    ast.GtE: "sge",
}
_EXTREMA = {min: "smin", max: "smax"}
_DECLARATIONS = "".join(f"declare i64 @llvm.{n}.i64(i64, i64)\n" for n in _EXTREMA.values())


def lower(kernel, symbol):
    """LLVM IR text of `kernel`, with one exported function `symbol` of a kernel's machine ABI."""
    namespace = execute(kernel, "kernel")
    program = _Program()
    program.add_source("kernel", kernel.source, namespace)
    function = program.reference(namespace[kernel.name])
    return program.text() + _entry(function, kernel.params, symbol) + _DECLARATIONS


def _entry(function, params, symbol):
    """The exported function: unpacks the argument block and calls the kernel."""
    lines, words = [], ["%error"]
    for at, (name, kind, *_) in enumerate(params, 1):
        if kind not in ("i64", "i64*"):
            raise NotImplementedError(f"{name}: a {kind} is no 64-bit word")
        lines.append(f"%at{at} = getelementptr i64, ptr %block, i64 {at}")
        lines.append(f"%word{at} = load i64, ptr %at{at}")
        words.append(f"%word{at}")
    arguments = ", ".join(f"i64 {word}" for word in [*words, "%low", "%high", "%memory"])
    body = "\n  ".join(lines)
    return f"""
define i32 @{symbol}(ptr %block, i64 %low, i64 %high, ptr %scratch) {{
  %memory = ptrtoint ptr %scratch to i64
  %error = sub i64 %memory, {ERROR_BYTES}
  {body}
  %result = call i64 {function}({arguments})
  %code = trunc i64 %result to i32
  ret i32 %code
}}
"""


class _Program:
    """The functions reached so far: LLVM text of each, by its LLVM name."""

    def __init__(self):
        self._functions = {}
        self._definitions = {}
        self._namespaces = {}
        self._given = {}

    def add_source(self, module, source, namespace):
        """Know the functions that a module's source defines."""
        tree = ast.parse(source)
        found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        self._definitions[module], self._namespaces[module] = found, namespace

    def reference(self, function, arguments=None):
        """The LLVM name of a Python function, which is written if it was not yet."""
        module, name = function.__module__, function.__name__
        if module not in self._definitions:
            self._load(module)
        definition = self._definitions[module][name]
        count = len(definition.args.args)
        if arguments is not None and arguments != count:
            raise TypeError(f"{name} takes {count} arguments, not {arguments}")
        reference = f"@{module.rpartition('.')[2]}.{name}"
        if module not in self._given and reference not in self._functions:
            self._functions[reference] = ""  # it may call itself
            writer = _Function(self, reference, definition, self._namespaces[module])
            self._functions[reference] = writer.text()
        return reference

    def text(self):
        """All of it."""
        return "".join([*self._given.values(), *self._functions.values()])

    def _load(self, name):
        module = importlib.import_module(name)
        self.add_source(name, inspect.getsource(module), vars(module))
        if importlib.util.find_spec(name + "_llvm"):
            self._given[name] = importlib.import_module(name + "_llvm").TEXT


class _Function:
    """Writes one function; local variables live in slots, which LLVM makes registers."""

    def __init__(self, program, reference, definition, namespace):
        self._program = program
        self._namespace = namespace
        self._lines = []
        self._count = 0
        self._loops = []  # of each loop around: where `continue` and `break` go
        names = [argument.arg for argument in definition.args.args]
        for node in ast.walk(definition):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.append(node.id)
        self._locals = dict.fromkeys(names)
        self._head = reference, [argument.arg for argument in definition.args.args]
        for name in self._locals:
            self._lines.append(f"%{name} = alloca i64")
        for name in self._head[1]:
            self._lines.append(f"store i64 %in.{name}, ptr %{name}")
        self._block(definition.body)
        self._lines.append("ret i64 0")

    def text(self):
        reference, names = self._head
        arguments = ", ".join(f"i64 %in.{name}" for name in names)
        body = "\n  ".join(self._lines)
        return f"\ndefine internal i64 {reference}({arguments}) nounwind {{\n  {body}\n}}\n"

    def _new(self, instruction):
        self._count += 1
        self._lines.append(f"%.{self._count} = {instruction}")
        return f"%.{self._count}"

    def _label(self):
        self._count += 1
        return f"b{self._count}"

    def _begin(self, label):
        """Start a block that the one before falls into."""
        self._lines += [f"br label %{label}", f"{label}:"]

    def _leave(self, instruction):
        """End a block; what follows in the source, if anything, is reached by nothing."""
        self._lines += [instruction, f"{self._label()}:"]

    # ---- statements

    def _block(self, statements):
        for statement in statements:
            write = getattr(self, "_" + type(statement).__name__, None)
            if write is None:
                raise self._refusal(statement)
            write(statement)

    def _Expr(self, node):
        if not isinstance(node.value, ast.Constant):  # a docstring
            self._value(node.value)

    def _Assign(self, node):
        if len(node.targets) != 1:
            raise self._refusal(node)
        value = self._value(node.value)
        self._lines.append(f"store i64 {value}, ptr {self._place(node.targets[0])}")

    def _AugAssign(self, node):
        place = self._place(node.target)
        value = self._operation(node, self._new(f"load i64, ptr {place}"), self._value(node.value))
        self._lines.append(f"store i64 {value}, ptr {place}")

    def _Return(self, node):
        self._leave(f"ret i64 {self._value(node.value) if node.value else 0}")

    def _If(self, node):
        yes, no, after = self._label(), self._label(), self._label()
        self._branch(node.test, yes, no)
        self._lines.append(f"{yes}:")
        self._block(node.body)
        self._lines += [f"br label %{after}", f"{no}:"]
        self._block(node.orelse)
        self._begin(after)

    def _While(self, node):
        again, body, after = self._label(), self._label(), self._label()
        self._begin(again)
        self._branch(node.test, body, after)
        self._lines.append(f"{body}:")
        self._loop(node, again, after)
        self._lines += [f"br label %{again}", f"{after}:"]

    def _For(self, node):
        call = node.iter
        if not (
            isinstance(node.target, ast.Name)
            and isinstance(call, ast.Call)
            and self._function(call) is range
            and len(call.args) == 1
        ):
            raise self._refusal(node)
        stop, slot = self._value(call.args[0]), self._new("alloca i64")
        again, body, more, after = (self._label() for _ in range(4))
        self._lines.append(f"store i64 0, ptr {slot}")
        self._begin(again)
        turn = self._new(f"load i64, ptr {slot}")
        test = self._new(f"icmp slt i64 {turn}, {stop}")
        self._lines += [f"br i1 {test}, label %{body}, label %{after}", f"{body}:"]
        self._lines.append(f"store i64 {turn}, ptr %{node.target.id}")
        self._loop(node, more, after)
        self._begin(more)
        following = self._new(f"add i64 {turn}, 1")
        self._lines += [f"store i64 {following}, ptr {slot}", f"br label %{again}", f"{after}:"]

    def _loop(self, node, again, after):
        if node.orelse:
            raise self._refusal(node)
        self._loops.append((again, after))
        self._block(node.body)
        self._loops.pop()

    def _Continue(self, node):
        self._leave(f"br label %{self._loops[-1][0]}")

    def _Break(self, node):
        self._leave(f"br label %{self._loops[-1][1]}")

    # ---- expressions

    def _value(self, node):
        """The LLVM operand that holds an expression."""
        match node:
            case ast.Constant(value=int(number)):
                return str(int(number))
            case ast.Name(id=name) if name in self._locals:
                return self._new(f"load i64, ptr %{name}")
            case ast.Name(id=name) if isinstance(self._namespace.get(name), int):
                return str(int(self._namespace[name]))
            case ast.Subscript():
                return self._new(f"load i64, ptr {self._place(node)}")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._new(f"sub i64 0, {self._value(operand)}")
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return self._new(f"xor i64 {self._value(operand)}, -1")
            case ast.BinOp(left=left, right=right):
                return self._operation(node, self._value(left), self._value(right))
            case ast.Call():
                return self._call(node)
        raise self._refusal(node)

    def _place(self, node):
        """A pointer to what is read or written."""
        match node:
            case ast.Name(id=name):
                return f"%{name}"
            case ast.Subscript(value=pointer, slice=index):
                base = self._new(f"inttoptr i64 {self._value(pointer)} to ptr")
                return self._new(f"getelementptr i64, ptr {base}, i64 {self._value(index)}")
        raise self._refusal(node)

    def _operation(self, node, left, right):
        if isinstance(node.op, ast.FloorDiv):
            # LLVM's division cuts towards zero.
            quotient = self._new(f"sdiv i64 {left}, {right}")
            rest = self._new(f"srem i64 {left}, {right}")
            signs = self._new(f"xor i64 {rest}, {right}")
            differ = self._new(f"icmp slt i64 {signs}, 0")
            inexact = self._new(f"icmp ne i64 {rest}, 0")
            below = self._new(f"and i1 {differ}, {inexact}")
            return self._new(f"sub i64 {quotient}, {self._new(f'zext i1 {below} to i64')}")
        name = _ARITHMETIC.get(type(node.op))
        if name is None:
            raise self._refusal(node)
        return self._new(f"{name} i64 {left}, {right}")

    def _call(self, node):
        function = self._function(node)
        values = [self._value(argument) for argument in node.args]
        arguments = ", ".join(f"i64 {value}" for value in values)
        if function is np.int64 and len(values) == 1:
            return values[0]
        if function is np.int32 and len(values) == 1:
            return self._new(f"sext i32 {self._new(f'trunc i64 {values[0]} to i32')} to i64")
        if function in _EXTREMA and len(values) == 2:
            return self._new(f"call i64 @llvm.{_EXTREMA[function]}.i64({arguments})")
        if node.keywords or not hasattr(function, "__code__"):
            raise self._refusal(node)
        return self._new(f"call i64 {self._program.reference(function, len(values))}({arguments})")

    def _function(self, call):
        """The Python object that is called."""
        match call.func:
            case ast.Name(id=name) if name not in self._locals:
                return self._namespace.get(name) or self._namespace["__builtins__"].get(name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return getattr(self._namespace.get(name), attribute, None)
        return None

    def _branch(self, test, yes, no):
        """Go to the block `yes` or `no`; as in Python, what need not be looked at is not."""
        match test:
            case ast.BoolOp(op=op, values=values):
                for part in values[:-1]:
                    more = self._label()
                    self._branch(part, *((more, no) if isinstance(op, ast.And) else (yes, more)))
                    self._lines.append(f"{more}:")
                return self._branch(values[-1], yes, no)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._branch(operand, no, yes)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                order, left = _COMPARISONS[type(op)], self._value(left)
                flag = self._new(f"icmp {order} i64 {left}, {self._value(right)}")
            case _:
                flag = self._new(f"icmp ne i64 {self._value(test)}, 0")
        return self._lines.append(f"br i1 {flag}, label %{yes}, label %{no}")

    def _refusal(self, node):
        where, _ = self._head
        what = ast.unparse(node).partition("\n")[0]
        return NotImplementedError(f"{where[1:]}, line {node.lineno}: {what}")
