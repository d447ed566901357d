"""What a kernel's machine code depends on: `key(kernel)`, a hash of all texts and versions.

The kernel's own body, the kernels/ functions it reaches (by name, transitively; never the whole
library), the code generator, package versions, CPU and flags. Reads source text only, so a process
that finds everything on disk imports neither kernels/ modules nor Numba. Imports `machine` alone.
"""

import functools
import hashlib
import importlib
import importlib.util
import os
import platform
import re

import llvmlite
import numpy as np

from . import machine

_PACKAGE = "jitgrad.kernels"
_CODEGEN = (
    (__name__, "batch.py"),
    (__name__, "compile.py"),
    (__name__, "machine.py"),
    (__name__, "codegen.py"),
    (__name__, "interleave.py"),
    (__name__, "words.py"),
    (__name__, "numba_target.py"),
    (__name__, "numba_builtins.py"),
    (__name__, "numba_passes.py"),
    ("jitgrad.kernels", "pointer_llvm.py"),
)
_STATEMENT = re.compile(r"^(?=[A-Za-z_@])", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_DEF = re.compile(r"(?:@.*\n)*def\s+(\w+)")
_FROM = re.compile(r"from\s+([.\w]+)\s+import\s+(.*)", re.DOTALL)
_ASSIGN = re.compile(r"[\w, ]+ = ")
_COMMENT = re.compile(r"^\s*#.*\n", re.MULTILINE)


def key(kernel):
    """The hash under which `kernel`'s machine code is kept."""
    texts = [_text_hash(*place) for place in needs(kernel)]
    shape = repr((_shape(kernel.params), getattr(kernel, "form", "loops")))
    return _digest([body(kernel), shape, environment(), *texts])


def body(kernel):
    """The kernel's source without what cannot change its code: name, comments, module docstring."""
    parts = [text for name, text in _statements(kernel.source) if name or text.startswith("from")]
    text = _COMMENT.sub("", "".join(parts))
    return re.sub(rf"\bdef {re.escape(kernel.name)}\(", "def kernel(", text)


def needs(kernel):
    """(module, name) of the kernels/ functions and constants that `kernel` reaches, sorted."""
    own = _Module(kernel.source, "kernel")
    reached = set()
    for name in own.texts:
        if name != "*":
            for place in own.uses(name):
                reached |= _reach(*place)
    return sorted(reached)


def forget():
    """Read the sources anew."""
    for function in (_module, _reach, _text_hash, environment):
        function.cache_clear()


@functools.cache
def _reach(module, name):
    """All that a name of a kernels/ module depends on, itself included."""
    reached, stack = set(), [(module, name)]
    while stack:
        other, target = stack.pop()
        known = _module(other)
        while known and target not in known.texts and target in known.imports:
            other, target = known.imports[target]  # one module's name for another's
            known = _module(other)
        if known is None:
            continue
        if target not in known.texts:
            target = "*"  # defined in a way this cannot see: depend on the whole file
        if (other, target) not in reached:
            reached.add((other, target))
            stack.extend(known.uses(target))
            stack.extend((other, part) for part in known.always)
    return frozenset(reached)


@functools.cache
def _text_hash(module, name):
    return _digest([module, name, _module(module).texts[name]])


@functools.cache
def environment():
    """Versions, CPU and flags, as one line."""
    name, features = machine.cpu()
    codegen = _digest([_text(*file) for file in _CODEGEN])
    return " ".join(
        [
            f"codegen={codegen}",
            f"python={platform.python_version()}",
            f"numpy={np.__version__}",
            f"numba={_numba_version()}",
            f"llvmlite={llvmlite.__version__}",
            f"cpu={name}",
            f"features={features}",
            f"platform={platform.machine()}-{os.name}",
        ]
    )


def _numba_version():
    """Numba's version without importing it; importlib.metadata would cost 20 ms."""
    spec = importlib.util.find_spec("numba")
    if spec is None or not spec.origin:
        raise ModuleNotFoundError("jitgrad needs numba: pip install numba")
    return re.findall(r'"version": "([^"]+)"', _beside(spec, "_version.py"))[0]


def _beside(spec, file):
    """The text of a file beside a module; its loader also reads from zip files."""
    return spec.loader.get_data(os.path.join(os.path.dirname(spec.origin), file)).decode()


def _digest(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _shape(params):
    """Parameter names and types, scopes renamed by first use."""
    scopes = {}
    return [
        (name, kind, *(scopes.setdefault(s, len(scopes)) for s in scope))
        for name, kind, *scope in params
    ]


def _text(module, file):
    """A source file beside `module`."""
    return _beside(importlib.import_module(module).__spec__, file)


def _statements(source):
    """(defined name or "", text) of each top-level statement; a = b = ... gives several."""
    for text in _STATEMENT.split(source):
        define = _DEF.match(text)
        if define:
            yield define[1], text
        elif text.startswith(("import ", "from ")):
            yield "", text
        elif _ASSIGN.match(text):
            targets, _, _ = text.partition("\n")[0].rpartition(" = ")
            for target in _NAME.findall(targets):
                yield target, text
        elif text.startswith(("if ", "for ", "while ", "try", "with ", "del ")):
            yield "<statement>", text


class _Module:
    """The top-level names of one source text and what each refers to."""

    def __init__(self, source, name):
        self.name = name
        self.texts = {"*": source}
        self.imports = {}
        for defined, text in _statements(source):
            if defined:
                self.texts[defined] = self.texts.get(defined, "") + text
            elif text.startswith("from "):
                self._from(text)
        self.always = [n for n in ("<statement>", "INLINE") if n in self.texts]

    def _from(self, text):
        found = _FROM.match(re.sub(r"#.*", "", text))
        if not found:
            return
        origin, names = found.groups()
        if origin.startswith("."):
            origin = _PACKAGE + ("." + origin[1:] if origin[1:] else "")
        if origin != _PACKAGE and not origin.startswith(_PACKAGE + "."):
            return
        for item in re.sub(r"[()\s]+", " ", names).split(","):
            words = item.split()
            if words:
                target = (origin, words[0])
                if origin == _PACKAGE:  # a whole module
                    target = (f"{_PACKAGE}.{words[0]}", "*")
                self.imports[words[-1]] = target

    @functools.cache  # noqa: B019 - modules live as long as the process
    def uses(self, name):
        """(module, name) of all that the text of `name` mentions."""
        found = []
        for word in set(_NAME.findall(self.texts.get(name, ""))):
            if word in self.imports:
                found.append(self.imports[word])
                found.append((self.imports[word][0] + "_llvm", "*"))
            elif word in self.texts and name not in (word, "*"):  # the whole file has them in it
                found.append((self.name, word))
        return found


@functools.cache
def _module(name):
    """A kernels/ module by its dotted name; None if there is none."""
    if not name.startswith(_PACKAGE + "."):
        return None
    try:
        return _Module(_text(_PACKAGE, name.removeprefix(_PACKAGE + ".") + ".py"), name)
    except FileNotFoundError:
        return None
