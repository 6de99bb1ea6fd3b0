"""YAML as its nodes, which know their lines; scalars keep the very text that stands in the file."""

__all__ = ["composed", "items", "line_of", "mapping", "text"]

from collections.abc import Mapping, Sequence

import yaml

from gateway.core.errors import Misuse

_NULL = "tag:yaml.org,2002:null"
# The same nodes several times faster, where the wheel carries libyaml.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def composed(document: str) -> yaml.Node | None:
    """The document's root; None for an empty one. Raises Misuse, naming the line and nothing that stands there."""
    try:
        root: yaml.Node | None = yaml.compose(document, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" at line {mark.line + 1}"
        raise Misuse(
            f"The file cannot be read as YAML{where}."
            " A text that begins with a special character needs quotes around it."
        ) from None
    except (yaml.YAMLError, RecursionError):
        raise Misuse("The file cannot be read as YAML.") from None
    return root


def line_of(node: yaml.Node) -> int:
    """The line on which the node begins, from 1."""
    return int(node.start_mark.line) + 1


def mapping(node: yaml.Node | None) -> Mapping[str, yaml.Node]:
    """The entries of a mapping whose names are texts; empty for anything else."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {
        name.value: content for name, content in node.value if isinstance(name, yaml.ScalarNode)
    }


def items(node: yaml.Node | None) -> Sequence[yaml.Node]:
    """The items of a sequence; none for anything else."""
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def text(node: yaml.Node | None) -> str | None:
    """A scalar as it is written, so that 0123 stays 0123; None for null and for anything else."""
    if isinstance(node, yaml.ScalarNode) and node.tag != _NULL:
        return str(node.value)
    return None
