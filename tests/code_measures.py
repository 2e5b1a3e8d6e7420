"""Measure the source code: its size, its structure and its words.

``python tests/code_measures.py [PROJECT]`` prints the figures.
``python tests/code_measures.py src/atft_kedro/market`` lists the vague words and faulty docstrings of some files.
"""

import ast
import io
import keyword
import re
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parent.parent
PACKAGE = "atft_kedro"
WORDS = tomllib.loads((Path(__file__).parent / "vague_words.toml").read_text())
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file with its parsed tree."""

    name: str  # relative to the package: training.engine
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Count the lines."""
        return len(self.text.splitlines())

    @property
    def functions(self) -> list[Function]:
        """List the functions and methods, nested ones included."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @property
    def classes(self) -> list[ast.ClassDef]:
        """List the classes."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @property
    def has_behaviour(self) -> bool:
        """Check whether a test could fail because of this module: it has a function that is more than one return."""
        is_wiring = self.name.endswith(".pipeline") or self.path.name == "__init__.py"
        return not is_wiring and any(count_lines(function) > 3 for function in self.functions)


def read_modules(root: Path) -> list[Module]:
    """Parse all source files of a project."""
    folder = root / "src" / PACKAGE
    modules = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"
        text = path.read_text()
        modules.append(Module(name, path, text, ast.parse(text)))
    return modules


def count_lines(function: Function) -> int:
    """Count the lines of a function, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def count_arguments(function: Function) -> int:
    """Count the arguments of a function, without self and cls."""
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def find_importers(modules: list[Module]) -> dict[str, set[str]]:
    """Map every module to the modules that import it."""
    names = {module.name for module in modules}
    importers: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        package = module.name.split(".")
        package = package if module.path.name == "__init__.py" else package[:-1]
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level:
                above = package[: len(package) - node.level + 1]
                source = ".".join([*above, *([node.module] if node.module else [])])
            elif (node.module or "").split(".")[0] == PACKAGE:
                source = (node.module or "").removeprefix(PACKAGE).removeprefix(".")
            else:
                continue
            for alias in node.names:
                below = f"{source}.{alias.name}".removeprefix(".")
                target = below if below in names else source
                if target in names and target != module.name:
                    importers[target].add(module.name)
    return importers


def find_test(root: Path, module: Module) -> Path | None:
    """Find the test file at the mirrored path: training/engine.py is tested in tests/training/test_engine.py."""
    *packages, name = module.name.split(".")
    candidates = [root.joinpath("tests", *packages, f"test_{name.strip('_')}.py")]
    if packages[:1] == ["pipelines"]:  # the nodes of a pipeline are tested with the pipeline
        candidates.append(root.joinpath("tests", "pipelines", f"test_{packages[1]}.py"))
    return next((path for path in candidates if path.exists()), None)


def list_names(text: str) -> set[str]:
    """List the identifiers that a file defines or uses, without keywords."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME and not keyword.iskeyword(token.string)}


def list_defined(tree: ast.Module) -> set[str]:
    """List the identifiers that a file defines: functions, classes, arguments, variables, fields."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (*Function.__args__, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node, ast.alias) and node.asname:
            names.add(node.asname)
        elif isinstance(node, ast.keyword) and node.arg is None:
            continue
    return names


def split_name(name: str) -> list[str]:
    """Split a name into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def find_vague_names(tree: ast.Module) -> list[str]:
    """List the defined names that hold a vague word."""
    vague = []
    for name in sorted(list_defined(tree) - set(WORDS["exceptions"])):
        words = split_name(name)
        if set(words) & set(WORDS["names"]) or (words[:1] and words[0] in WORDS["first_words"]):
            vague.append(name)
    return vague


def list_texts(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and content of each string and comment."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in {tokenize.STRING, tokenize.COMMENT} or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token.start[0], " ".join(token.string.split())


def find_vague_texts(texts: Iterable[tuple[int, str]]) -> list[str]:
    """List the vague phrases in texts, with their lines."""
    patterns = [re.compile(pattern, re.IGNORECASE) for pattern in WORDS["texts"]]
    found = []
    for line, content in texts:
        found += [f"line {line}: {match[0]!r}" for pattern in patterns for match in pattern.finditer(content)]
    return found


def find_docstring_faults(module: Module) -> list[str]:
    """List public functions and classes without a docstring, and first lines over 90 characters."""
    faults = []
    for node in ast.walk(module.tree):
        if not isinstance(node, (*Function.__args__, ast.ClassDef)) or node.name.startswith("_"):
            continue
        first = (ast.get_docstring(node) or "").partition("\n")[0]
        if not first:
            faults.append(f"{node.name}: no docstring")
        elif len(first) > 90:
            faults.append(f"{node.name}: first line of {len(first)} characters")
    return faults


def find_shared_class_names(modules: list[Module]) -> dict[str, list[str]]:
    """Map each class name that several modules define to these modules."""
    owners: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        for node in module.classes:
            owners[node.name].append(module.name)
    return {name: places for name, places in owners.items() if len(places) > 1}


def measure(root: Path) -> dict[str, object]:
    """Compute all figures of a project."""
    modules = read_modules(root)
    packages = Counter()
    for module in modules:
        packages[module.name.split(".")[0] if "." in module.name or module.path.name == "__init__.py" else "(top)"] += (
            module.lines
        )
    files = [module.lines for module in modules if module.path.name != "__init__.py"]
    functions = [(module, function) for module in modules for function in module.functions]
    sizes = [count_lines(function) for _, function in functions]
    many = [
        f"{module.name}.{function.name}"
        for module, function in functions
        if count_arguments(function) > 6 and not module.name.startswith("pipelines")
    ]
    importers = find_importers(modules)
    with_behaviour = [module for module in modules if module.has_behaviour]
    untested = [module.name for module in with_behaviour if find_test(root, module) is None]
    vague = sum(
        len(find_vague_names(module.tree)) + len(find_vague_texts(list_texts(module.text))) for module in modules
    )
    lines = sum(module.lines for module in modules)
    return {
        "lines": lines,
        "lines by package": dict(sorted(packages.items())),
        "files": len(files),
        "lines of a file, median and p90": (median(files), quantiles(files, n=10)[-1]),
        "functions": len(sizes),
        "lines of a function, median, p90 and most": (median(sizes), quantiles(sizes, n=10)[-1], max(sizes)),
        "functions with more than six arguments": many,
        "modules imported by exactly one other": sum(len(value) == 1 for value in importers.values()),
        "modules with behaviour": len(with_behaviour),
        "of these tested at the mirrored path": f"{1 - len(untested) / len(with_behaviour):.0%}",
        "untested": untested,
        "class names used twice": find_shared_class_names(modules),
        "docstring faults": sum(len(find_docstring_faults(module)) for module in modules),
        "vague words": vague,
        "vague words per 1,000 lines": round(1000 * vague / lines, 2),
    }


def list_faults(path: Path) -> Iterator[str]:
    """Yield what a file has to change: vague names, vague phrases, docstrings."""
    text = path.read_text()
    module = Module(path.stem, path, text, ast.parse(text))
    for fault in (*find_vague_names(module.tree), *find_vague_texts(list_texts(text)), *find_docstring_faults(module)):
        yield f"{path}: {fault}"


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:]]
    if any("src" in path.parts or "tests" in path.parts for path in paths):
        files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
        print("\n".join(fault for file in files for fault in list_faults(file)))  # noqa: T201 — a script
    else:
        for name, value in measure(paths[0] if paths else ROOT).items():
            print(f"{name}: {value}")  # noqa: T201
