"""Reading job files: YAML without code, parameters filled in, one line for each mistake."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from skymesh.errors import JobError
from skymesh.jobs.spec import JobSpec

_PARAMETER = re.compile(r"\$\{([^}]*)\}")


_MERGE = "tag:yaml.org,2002:merge"
_MOST_NODES = 10_000


class _Loader(yaml.SafeLoader):
    """YAML's safe types, no key twice in a mapping, and aliases that stay small when written out."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        own = [key for key, _ in node.value if key.tag != _MERGE]
        values = [self.construct_object(key, deep=True) for key in own]
        for index, value in enumerate(values):
            if value in values[:index]:
                raise _yaml_error(f"the key {value!r} is there twice", own[index])
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise _yaml_error(str(error), node) from None

    def get_single_node(self) -> yaml.Node | None:
        """Return the document, if it is not larger than any job."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _written_out(node, {}, ()) > _MOST_NODES:
            raise _yaml_error(f"more than {_MOST_NODES} values when its aliases are written out", node)
        return node


def _written_out(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return how many values a node stands for, each alias counted as often as it is used."""
    if id(node) in above:
        raise _yaml_error("an alias that holds itself", node)
    if id(node) not in sizes:
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        flat = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        sizes[id(node)] = 1 + sum(_written_out(part, sizes, (*above, id(node))) for part in flat)
    return sizes[id(node)]


def _yaml_error(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def load_job(source: Path | Traversable, settings: Mapping[str, str]) -> JobSpec:
    """Read a job file and fill in its parameters.

    Parameters
    ----------
    source
        The file.
    settings
        Values for the job's parameters, as text in YAML (``--set k=v``).

    Raises
    ------
    JobError
        With one line for each mistake.
    """
    name = source.name
    raw = _parse(_read(source), name)
    if not isinstance(raw, dict):
        raise JobError("a job is a mapping with the keys name and channels", where=name)
    given = {key: _parse(value, f"--set {key}") for key, value in settings.items()}
    filled = _with_parameters(raw, given, name)
    try:
        return JobSpec.model_validate(filled)
    except ValidationError as error:
        lines = tuple(f"{name}: {problem}" for problem in _problems(error))
        raise JobError(lines[0], lines=lines) from None


def builtin_jobs(package: str) -> dict[str, Traversable]:
    """Return the job files that a package carries, by name."""
    folder = files(package) / "jobs"
    return {item.name.removesuffix(".yaml"): item for item in folder.iterdir() if item.name.endswith(".yaml")}


def _read(source: Path | Traversable) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise JobError(f"cannot be read: {reason}", where=str(source)) from None


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}" if mark is not None else where
        raise JobError(f"not valid YAML for a job: {error.problem}", where=place) from None
    except RecursionError:
        raise JobError("not valid YAML for a job: nested too deeply", where=where) from None
    except (yaml.YAMLError, ValueError) as error:
        raise JobError(f"not valid YAML for a job: {error}", where=where) from None


def _with_parameters(raw: dict[str, Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    declared = raw.get("parameters") or {}
    if not isinstance(declared, dict):
        raise JobError("expected a mapping of names to values", where=f"{name}: parameters")
    for key in given:
        if key not in declared:
            known = ", ".join(map(str, declared)) or "none"
            raise JobError(f"the job has no parameter {key!r}; it has: {known}", where=f"--set {key}")
    values = {**declared, **given}
    rest = {key: value for key, value in raw.items() if key != "parameters"}
    unknown: list[str] = []
    filled = _fill(rest, values, "", unknown)
    if unknown:
        lines = tuple(f"{name}: {problem}" for problem in unknown)
        raise JobError(lines[0], lines=lines)
    return {**filled, "parameters": values}


def _fill(value: Any, parameters: Mapping[str, Any], place: str, unknown: list[str]) -> Any:
    """Replace ``${name}``: alone by the parameter with its type, inside text by its text."""
    if isinstance(value, dict):
        return {
            key: _fill(item, parameters, f"{place}.{key}".lstrip("."), unknown) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_fill(item, parameters, f"{place}.{index}", unknown) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    names = _PARAMETER.findall(value)
    missing = [name for name in names if name not in parameters]
    if missing:
        unknown += [f"{place}: ${{{name}}} is no parameter of the job" for name in missing]
        return value
    if len(names) == 1 and value == f"${{{names[0]}}}":
        return parameters[names[0]]
    return _PARAMETER.sub(lambda match: str(parameters[match[1]]), value)


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"] if part != "[key]")
        if item["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key")
        elif item["type"] == "missing":
            lines.append(f"{place}: this key is missing")
        elif item["type"] == "string_pattern_mismatch":
            lines.append(f"{place}: a name is a letter and then letters, digits or underscores")
        elif item["type"] in {"model_type", "dict_type", "model_attributes_type"}:
            lines.append(f"{place}: a mapping of keys to values is expected here")
        else:
            lines.append(f"{place}: {item['msg'].lower()}, not {str(item['input'])[:80]!r}")
    return lines
