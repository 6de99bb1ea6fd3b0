"""Kong's declarative configuration (`deck gateway dump`, `kong config db_export`, kong.yml), in YAML or JSON.

A consumer becomes an account, each of its key-auth credentials a key. Nested and top-level credentials
and ACL groups are both read; the file is held in memory as a whole, as Kong itself holds it.
"""

__all__ = ["read_kong"]

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from admin.core.transfer.entries import Entry, Hints, refused
from admin.core.transfer.lines import Line
from admin.core.transfer.yaml_nodes import composed, items, line_of, mapping, text
from gateway.core.errors import Misuse

_CREDENTIALS = "keyauth_credentials"
_GROUPS = "acls"
# Credentials of other kinds: their holders need to be told that these did not move.
_OTHERS = {
    "basicauth_credentials": "basic-auth",
    "hmacauth_credentials": "hmac-auth",
    "jwt_secrets": "jwt",
    "mtls_auth_credentials": "mtls-auth",
    "oauth2_credentials": "oauth2",
}
# decK's environment variables, Kong's vault references, and what a shell would have filled in.
_REFERENCE = re.compile(r"\$\{\{.*\}\}|\{vault://.*\}|\$\{?[A-Za-z_][A-Za-z0-9_]*\}?", re.DOTALL)
_TTL_MAX = 100_000_000


@dataclass(slots=True)
class _Consumer:
    """A consumer, with what belongs to it wherever in the file that stands."""

    line: int
    username: str | None = None
    custom_id: str | None = None
    tags: tuple[str, ...] = ()
    groups: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    credentials: list[yaml.Node] = field(default_factory=list)

    @property
    def name(self) -> str | None:
        """How the account is called: Kong wants one of the two."""
        return self.username or self.custom_id


def read_kong(lines: Iterable[Line], hints: Hints) -> Iterator[Entry]:
    """One entry for each key-auth credential. Raises Misuse when the file is no such configuration."""
    root = mapping(composed(_document(lines)))
    if not root:
        raise Misuse(
            "The file is no declarative configuration of Kong: it has no '_format_version'."
        )
    consumers, strays = _collected(root)
    for consumer in consumers:
        yield from _entries(consumer, hints)
    for node in strays:
        yield refused(line_of(node), "The credential's consumer does not stand in the file.")


def _document(lines: Iterable[Line]) -> str:
    """The text with every line in its place, so that lines are counted as in the file."""
    texts: list[str] = []
    for line in lines:
        if line.problem is not None:
            raise Misuse(f"Line {line.number}: {line.problem}")
        texts.extend([""] * (line.number - 1 - len(texts)))
        texts.append(line.text)
    return "\n".join(texts)


def _collected(root: Mapping[str, yaml.Node]) -> tuple[list[_Consumer], list[yaml.Node]]:
    """All consumers, and the credentials of none."""
    consumers: list[_Consumer] = []
    by_name: dict[str, _Consumer] = {}
    for node in items(root.get("consumers")):
        fields = mapping(node)
        consumer = _consumer(node, fields)
        consumers.append(consumer)
        # A top-level entry names its consumer by any of these.
        for name in (consumer.custom_id, consumer.username, text(fields.get("id"))):
            if name is not None:
                by_name[name] = consumer
    for consumer, node in _owned(root, _GROUPS, by_name):
        consumer.groups.extend(_group(node))
    for kind, called in _OTHERS.items():
        for consumer, _ in _owned(root, kind, by_name):
            consumer.others.append(called)
    for consumer, node in _owned(root, _CREDENTIALS, by_name):
        consumer.credentials.append(node)
    strays = [node for node in items(root.get(_CREDENTIALS)) if _owner(node) not in by_name]
    return consumers, strays


def _owned(
    root: Mapping[str, yaml.Node], kind: str, by_name: Mapping[str, _Consumer]
) -> Iterator[tuple[_Consumer, yaml.Node]]:
    """The top-level entries of a kind, with the consumer that each names."""
    for node in items(root.get(kind)):
        if (owner := by_name.get(_owner(node))) is not None:
            yield owner, node


def _consumer(node: yaml.Node, fields: Mapping[str, yaml.Node]) -> _Consumer:
    return _Consumer(
        line=line_of(node),
        username=text(fields.get("username")),
        custom_id=text(fields.get("custom_id")),
        tags=_texts(fields.get("tags")),
        groups=[group for each in items(fields.get(_GROUPS)) for group in _group(each)],
        others=[called for kind, called in _OTHERS.items() if items(fields.get(kind))],
        credentials=list(items(fields.get(_CREDENTIALS))),
    )


def _owner(node: yaml.Node) -> str:
    """The consumer that a top-level entry names, by name or id, or by a mapping that holds one."""
    found = mapping(node).get("consumer")
    inner = mapping(found)
    return text(found) or text(inner.get("id")) or text(inner.get("username")) or ""


def _group(node: yaml.Node) -> tuple[str, ...]:
    found = text(mapping(node).get("group"))
    return () if found is None else (found,)


def _texts(node: yaml.Node | None) -> tuple[str, ...]:
    return tuple(each for item in items(node) if (each := text(item)) is not None)


def _entries(consumer: _Consumer, hints: Hints) -> Iterator[Entry]:
    remarks = _remarks(consumer, hints)
    for position, node in enumerate(consumer.credentials, 1):
        number = line_of(node)
        fields = mapping(node)
        problem = _problem(consumer, fields)
        if problem is not None:
            yield refused(number, problem)
            continue
        yield Entry(number, _key(consumer, position, fields, hints), remarks=remarks)
        # Once is enough.
        remarks = ()
    if remarks:
        yield Entry(consumer.line, remarks=remarks)


def _problem(consumer: _Consumer, fields: Mapping[str, yaml.Node]) -> str | None:
    value = text(fields.get("key"))
    if consumer.name is None:
        return "The credential's consumer has neither a username nor a custom_id."
    if value is None:
        return "The credential names no 'key'; Kong would have made one up at each start."
    if _REFERENCE.fullmatch(value):
        return "The 'key' is a reference to a variable or a vault. Put its value in its place."
    if _ttl(fields) is None:
        return f"The 'ttl' must be a whole number of seconds from 0 to {_TTL_MAX}."
    return None


def _ttl(fields: Mapping[str, yaml.Node]) -> int | None:
    """The seconds it has to live, 0 for no end; None for anything but such a number."""
    found = text(fields.get("ttl"))
    if found is None:
        return 0
    if not (found.isascii() and found.isdigit() and len(found) <= len(str(_TTL_MAX))):
        return None
    return int(found) if int(found) <= _TTL_MAX else None


def _key(
    consumer: _Consumer, position: int, fields: Mapping[str, yaml.Node], hints: Hints
) -> Mapping[str, Any]:
    name = consumer.name
    key: dict[str, Any] = {
        "account": hints.account or name,
        "name": name if position == 1 else f"{name} {position}",
        "value": text(fields.get("key")),
        "metadata": _metadata(consumer, fields),
    }
    if ttl := _ttl(fields):
        key["expires_at"] = datetime.fromtimestamp(hints.now + ttl, UTC).isoformat()
    scopes = [group for group in consumer.groups if group in hints.known_scopes]
    if scopes or hints.scopes:
        key["scopes"] = scopes or hints.scopes
    return key


def _metadata(consumer: _Consumer, fields: Mapping[str, yaml.Node]) -> Mapping[str, str]:
    tags = dict.fromkeys((*consumer.tags, *_texts(fields.get("tags"))))
    found = {
        "kong_id": text(fields.get("id")),
        "kong_custom_id": consumer.custom_id,
        "tags": ", ".join(tags),
    }
    return {name: content for name, content in found.items() if content}


def _remarks(consumer: _Consumer, hints: Hints) -> tuple[str, ...]:
    """What of this consumer has no counterpart here."""
    said = []
    strange = [each for each in dict.fromkeys(consumer.groups) if each not in hints.known_scopes]
    if strange and consumer.credentials:
        said.append(
            f"Consumer {_shown(consumer)}: no scope is called {_quoted(strange)};"
            " what that ACL group allowed has to be given by other scopes."
        )
    if consumer.others:
        kinds = ", ".join(dict.fromkeys(consumer.others))
        said.append(
            f"Consumer {_shown(consumer)}: credentials of {kinds} are left out; only key-auth is read."
        )
    return tuple(said)


def _shown(consumer: _Consumer) -> str:
    return repr(consumer.name or "")


def _quoted(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))
