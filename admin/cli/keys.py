"""`keywright keys`: made, looked for, changed. What ends or replaces them is in `key_life`."""

__all__ = ["keys"]

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from admin.cli.desk import Desk, Paging, command
from admin.cli.key_options import (
    AllowIp,
    AllowOrigin,
    ExpiresAt,
    ExpiresIn,
    ExpiringIn,
    KeyId,
    Metadata,
    NotBefore,
    OlderThan,
    OwnedBy,
    Owner,
    RateLimit,
    Scope,
    State,
    UnusedFor,
    expiry,
    instead,
    limits,
    metadata_of,
    one_of,
)
from admin.cli.key_words import changed_sentence, details, listed, secret_lines, secret_rows
from admin.cli.options import Account, ConfigFile, IfVersion, Json
from admin.cli.output import Output, plain, table
from admin.cli.times import ahead, duration
from admin.cli.wiring import settings_of
from admin.client import UNSET
from admin.client.calls import keys as calls
from admin.client.pages import EVERY_KEY
from admin.wire.keys import KeyDocument, KeySort
from gateway.core import token
from gateway.core.keys import Environment, KeyType

keys = typer.Typer(
    help="API keys: create, look at, change, replace, revoke, move.", no_args_is_help=True
)

Type = Annotated[
    KeyType, typer.Option("--type", help="sk for servers, pk for what everybody can read.")
]
Env = Annotated[Environment, typer.Option("--env", help="Where it works.")]


@command(keys)
def create(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    account: Annotated[str, typer.Option(metavar="ID", help="The account that it belongs to.")],
    name: Annotated[str, typer.Option(help="What people call it.")],
    kind: Type = KeyType.SECRET,
    environment: Env = Environment.LIVE,
    scope: Scope = None,
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    not_before: NotBefore = None,
    allow_ip: AllowIp = None,
    allow_origin: AllowOrigin = None,
    rate_limit: RateLimit = None,
    metadata: Metadata = None,
    owner: Owner = None,
) -> None:
    """Create a key, and print its secret: this once, and never again."""
    one_of("--expires-in", expires_in, "--expires-at", expires_at)
    made = desk.ask(
        calls.create_key(
            account=account,
            name=name,
            type=kind,
            environment=environment,
            scopes=scope or (),
            expires_in=duration(expires_in),
            expires_at=ahead(expires_at, desk.now),
            not_before=ahead(not_before, desk.now),
            allowed_ips=allow_ip or (),
            allowed_origins=allow_origin or (),
            limits=limits(rate_limit),
            metadata=metadata_of(metadata) or None,
            owner=owner,
        )
    )
    desk.show(
        made,
        plain(f"Created key {made.id} ({made.name}) with scope {', '.join(made.scopes)}."),
        plain("Its secret, which nobody can show again:"),
        plain(f"  {made.secret}"),
        warnings=made.warnings,
    )


@command(keys, "list")
def list_all(  # noqa: PLR0913 -- one parameter for each option
    *,
    desk: Desk,
    page: Paging,
    account: Account = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="Beginnings of words of the name, the id, or the beginning of the key as it is shown.",
            show_default=False,
        ),
    ] = None,
    owner: OwnedBy = None,
    state: State = None,
    kind: Annotated[
        KeyType | None, typer.Option("--type", help="Only of this type.", show_default=False)
    ] = None,
    environment: Annotated[
        Environment | None, typer.Option("--env", help="Only of this one.", show_default=False)
    ] = None,
    unused_for: UnusedFor = None,
    older_than: OlderThan = None,
    expiring_in: ExpiringIn = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Only deleted ones.")] = False,
    sort: Annotated[KeySort, typer.Option(help="In which order; - is backwards.")] = "-created",
) -> None:
    """List keys. Of their secrets only the first characters are known."""
    wanted = calls.list_keys(
        q=search,
        account=account,
        owner=owner,
        state=state,
        type=kind,
        environment=environment,
        unused_for=duration(unused_for),
        older_than=duration(older_than),
        expiring_in=duration(expiring_in),
        deleted=deleted,
        sort=sort,
        **page.asked,
    )
    found = desk.page(EVERY_KEY, wanted, page)
    if found.keys:
        spare = ("created", "scopes", "used", "account", "expires")
        desk.show(found, table(*listed(found.keys, desk.now), spare))
        _hint_at_rotation(desk, found.keys)
    else:
        nothing = "There are no such keys. Next: keywright keys create --account ID --name NAME"
        desk.show(found, plain(nothing))
    desk.hint_at_more(found.next_cursor)


@command(keys)
def show(key_id: KeyId, *, desk: Desk) -> None:
    """Show one key, and who still uses a secret that was replaced."""
    key = desk.ask(calls.show_key(key_id))
    said: list[Any] = [table((), list(details(key, desk.now)))]
    if len(key.secrets) > 1:
        said += [plain(""), table(*secret_rows(key, desk.now), spare=("created",))]
    said += [plain(line) for line in secret_lines(key, desk.now)]
    desk.show(key, *said, warnings=key.warnings)


@command(keys)
def update(  # noqa: PLR0913 -- one parameter for each option
    key_id: KeyId,
    *,
    desk: Desk,
    name: Annotated[
        str | None, typer.Option(help="What people call it.", show_default=False)
    ] = None,
    scope: Scope = None,
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="It never expires.")] = False,
    not_before: NotBefore = None,
    no_not_before: Annotated[
        bool, typer.Option("--no-not-before", help="It is valid at once.")
    ] = False,
    allow_ip: AllowIp = None,
    any_ip: Annotated[bool, typer.Option("--any-ip", help="From everywhere.")] = False,
    allow_origin: AllowOrigin = None,
    any_origin: Annotated[bool, typer.Option("--any-origin", help="From any web page.")] = False,
    rate_limit: RateLimit = None,
    no_rate_limit: Annotated[
        bool, typer.Option("--no-rate-limit", help="No limits but the plan's.")
    ] = False,
    metadata: Metadata = None,
    no_metadata: Annotated[bool, typer.Option("--no-metadata", help="None at all.")] = False,
    owner: Owner = None,
    no_owner: Annotated[bool, typer.Option("--no-owner", help="Nobody's.")] = False,
    if_version: IfVersion = None,
) -> None:
    """Change a key; what is not given stays. Lists and metadata are replaced whole."""
    until, begin = expiry(expires_in, expires_at, desk.now), ahead(not_before, desk.now)
    changed = desk.ask(
        calls.update_key(
            key_id,
            name=UNSET if name is None else name,
            scopes=UNSET if scope is None else scope,
            expires_at=instead(until, None, "--no-expiry", is_none=no_expiry),
            not_before=instead(begin, None, "--no-not-before", is_none=no_not_before),
            allowed_ips=instead(allow_ip, [], "--any-ip", is_none=any_ip),
            allowed_origins=instead(allow_origin, [], "--any-origin", is_none=any_origin),
            limits=instead(limits(rate_limit), (), "--no-rate-limit", is_none=no_rate_limit),
            metadata=instead(metadata_of(metadata), {}, "--no-metadata", is_none=no_metadata),
            owner=instead(owner, None, "--no-owner", is_none=no_owner),
            if_match=if_version,
        )
    )
    desk.show(changed, plain(changed_sentence("Changed", changed)), warnings=changed.warnings)


@keys.command()
def pattern(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Print the regular expression that finds these keys, for secret scanners."""
    text = token.pattern(settings_of(config).keys.vendor_prefix)
    Output.to_stdout(is_json=is_json).show({"pattern": text}, plain(text))


def _hint_at_rotation(desk: Desk, found: Iterable[KeyDocument]) -> None:
    due = [key.id for key in found if key.rotation_due]
    if due and not desk.output.is_json:
        keys_are = "1 key is" if len(due) == 1 else f"{len(due)} keys are"
        desk.output.note(f"{keys_are} due for rotation; 'keywright keys rotate {due[0]}' does it")
