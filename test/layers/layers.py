"""The layer rule, read out of the includes and the CMake files.

A component is a folder of lib/ with its headers in include/quantopt/ and, for a dialect's IR, its definitions in
dialects/. It may use components of its own layer and of the layers below, and no two may use each other. The components
of a dialect use those of the dialects that DIALECT_USES names. Components without MLIR include none of it.
"""

import re
from pathlib import Path, PurePosixPath

# Lowest first.
LAYERS = (
    ("Support",),
    ("Numerics", "Weights", "Ptx", "Tokenizer", "Runtime"),
    ("IR",),
    ("Analysis", "Onnx"),
    ("Transforms",),
    ("Conversion",),
    ("Target", "Interp"),
    ("Pipelines", "InitAll"),
    ("tools",),
)
WITHOUT_MLIR = LAYERS[0] + LAYERS[1]
DIALECT_USES = {
    "rot": set(),
    "param": {"rot"},
    "q": {"param", "rot"},
    "llm": {"q", "param", "rot"},
    "onnx": {"param", "rot"},
    "tile": {"q", "llm", "param", "rot"},
    "check": set(),
}
SOURCES = (".h", ".cpp", ".td", ".inc")
INCLUDE = re.compile(r'^\s*#?\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
LIBRARY = re.compile(r"quantopt_add_library\(\s*(\w+)([^)]*)\)")


class UnknownComponent(Exception):
    """A folder that the layer rule does not place."""


def component_of(path):
    """The component that owns a file: "Numerics", "Dialect/Rot/IR", "Target/Onnx", "tools"; None outside of all.

    `path` is relative to the root of the project, with or without "include/quantopt" or "lib" in front.
    """
    parts = PurePosixPath(path).parts
    if parts[0] == "tools":
        return "tools"
    if parts[0] == "dialects":
        parts = parts[1:]
    if parts[0] in DIALECT_USES and len(parts) > 1:
        return f"Dialect/{parts[0].capitalize()}/IR"
    if parts[0] == "lib":
        parts = parts[1:]
    elif parts[:2] == ("include", "quantopt"):
        parts = parts[2:]
    elif parts[0] == "quantopt":
        parts = parts[1:]
    else:
        return None
    if parts[0].startswith("InitAll"):
        return "InitAll"
    depth = {"Dialect": 3, "Conversion": 2, "Target": 2}.get(parts[0], 1)
    return "/".join(parts[:depth]) if len(parts) > depth else None


def layer_of(component):
    """Index of a component's layer in LAYERS."""
    parts = component.split("/")
    name = parts[2] if parts[0] == "Dialect" else parts[0]
    for index, names in enumerate(LAYERS):
        if name in names:
            return index
    raise UnknownComponent(f"{component}: the layer rule knows no such folder")


def dialect_of(component):
    """The dialect that a component belongs to, or None."""
    parts = component.split("/")
    return parts[1].lower() if parts[0] == "Dialect" else None


def check_use(user, used):
    """What is wrong with one component using another, or None."""
    if user == used:
        return None
    if layer_of(used) > layer_of(user):
        return f"{user} uses {used}, which is in a layer above"
    from_dialect, to_dialect = dialect_of(user), dialect_of(used)
    if from_dialect and to_dialect and from_dialect != to_dialect and to_dialect not in DIALECT_USES[from_dialect]:
        return f"{user} uses {used}, but dialect '{from_dialect}' may not use '{to_dialect}'"
    return None


def uses_in_sources(root):
    """(file, user, used) for every include of one component by another; used is "mlir" for MLIR's headers."""
    for folder in ("lib", "include", "dialects", "tools"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            relative = path.relative_to(root)
            user = component_of(relative)
            if user is None:
                continue
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                used = "mlir" if include.startswith("mlir/") else component_of(include)
                if used is not None:
                    yield relative, user, used


def uses_in_cmake(root):
    """(file, user, used) for every library that a library names in LIBS; used is "mlir" for the word MLIR."""
    libraries = []
    for path in sorted((root / "lib").rglob("CMakeLists.txt")):
        relative = path.relative_to(root)
        for name, rest in LIBRARY.findall(path.read_text(encoding="utf-8")):
            libraries.append((relative, name, component_of(relative), rest.split()))
    owner = {name: component for _, name, component, _ in libraries}
    for relative, _, user, words in libraries:
        for word in words:
            if word == "MLIR":
                yield relative, user, "mlir"
            elif word in owner:
                yield relative, user, owner[word]


def find_cycle(edges):
    """A cycle in a graph {node: set of nodes} as a list that ends where it begins, or None."""
    done, trail = set(), []

    def visit(node):
        if node in trail:
            return trail[trail.index(node) :] + [node]
        if node in done:
            return None
        trail.append(node)
        for other in sorted(edges.get(node, ())):
            cycle = visit(other)
            if cycle:
                return cycle
        done.add(trail.pop())
        return None

    return next(filter(None, map(visit, sorted(edges))), None)


def violations(root):
    """Every violation of the layer rule below `root`, as lines that name the file."""
    root, found, edges = Path(root), [], {}
    for uses in (uses_in_sources(root), uses_in_cmake(root)):
        for path, user, used in uses:
            if used == "mlir" or (user in WITHOUT_MLIR and dialect_of(used)):
                if user in WITHOUT_MLIR:
                    found.append(f"{path}: {user} must do without MLIR")
                continue
            problem = check_use(user, used)
            if problem:
                found.append(f"{path}: {problem}")
            elif user != used:
                edges.setdefault(user, set()).add(used)
    cycle = find_cycle(edges)
    if cycle:
        found.append("components use each other: " + " -> ".join(cycle))
    return found
