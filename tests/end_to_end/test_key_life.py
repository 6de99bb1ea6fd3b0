"""What becomes of a key, and of what is only like one, as callers, stores and the operator see it."""

import asyncio
import http.client
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Select, func, select

from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountFilter
from admin.services.keys import KeyFilter
from gateway.core.errors import KeywrightError
from gateway.core.keys import Environment, KeyType
from gateway.core.limits import Limit
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose
from gateway.stores.places import database_url
from gateway.stores.sql_engine import open_engine, read_rows
from gateway.stores.tables import refused_requests, usage_records
from tests.fixtures_gateway import (
    OPERATOR,
    PATIENCE_SECONDS,
    Gateway,
    NewSite,
    Reply,
    Site,
    eventually,
)
from tests.fixtures_sql import run_apart
from tests.fixtures_valkey import ValkeyServer
from tests.hostile import HOSTILE

# A thread that waits for a processor may be late by some; a look-up that cannot be bounded is later.
PROMPTLY_SECONDS = 1.0


class Line:
    """One kept connection, to ask quickly."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, authorization: str | bytes, target: str = "/pub/x", method: str = "GET") -> Reply:
        """One request with this Authorization value, byte for byte."""
        value = authorization.encode() if isinstance(authorization, str) else authorization
        self._connection.putrequest(method, target, skip_accept_encoding=True)
        self._connection.putheader("Authorization", value)
        self._connection.endheaders()
        answer = self._connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())


def token(secret_id: str, secret: str = "A" * SECRET_LENGTH) -> str:
    """A token that is right in shape."""
    return compose(KeyType.SECRET, Environment.LIVE, secret_id, secret)


def parts(secret: str) -> tuple[str, str]:
    """The secret id and the secret part of a token."""
    tail = secret.rpartition("_")[2]
    return tail[:SECRET_ID_LENGTH], tail[SECRET_ID_LENGTH : SECRET_ID_LENGTH + SECRET_LENGTH]


def rows_of(site: Site, *queries: Select[Any]) -> list[Sequence[Any]]:
    """What the site's SQLite file answers."""
    found: list[Sequence[Any]] = []

    async def read() -> None:
        engine = open_engine(database_url(None, site.data_dir))
        try:
            found.extend([await read_rows(engine, "look", query) for query in queries])
        finally:
            await engine.dispose()

    run_apart(read())
    return found


Done = tuple[int, set[tuple[int, object]]]


async def settled(done: Callable[[], Awaitable[Done]]) -> Done:
    """What has been done half a second later."""
    await asyncio.sleep(0.5)
    return await done()


@pytest.mark.parametrize("database", ["postgresql"])
async def test_mistyped_keys_cost_no_store_anything(
    new_site: NewSite, sql_url: str, own_valkey: ValkeyServer
) -> None:
    """A wrong checksum is seen before any look-up: 1000 such keys, no command and no statement."""
    site: Site = new_site(
        redis={"url": own_valkey.url}, store={"url": sql_url}, usage={"flush_interval": "15s"}
    )
    gateway = site.start()
    good = site.operator.key("pub-only").secret
    wrong = [good[:-6] + f"{number:06d}" for number in range(1000)]
    watcher = await asyncpg.connect(sql_url.replace("+asyncpg", ""))

    async def done() -> Done:
        asked = await watcher.fetch(
            "SELECT pid, query_start FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        stats = own_valkey.command("INFO", "commandstats")
        calls = sum(each["calls"] for name, each in stats.items() if name != "cmdstat_info")
        return calls, {tuple(row) for row in asked}

    with Line(gateway.port) as line:
        assert line.ask(f"Bearer {good}").status == 200
        # Its record is on its way into SQL.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await watcher.fetchval("SELECT count(*) FROM usage_records"):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.05)
            # And what is done behind it, in the same round.
            before = await done()
            while (await settled(done))[1] != before[1]:
                before = await done()
        answers = {
            (reply.status, reply.code) for reply in map(line.ask, map("Bearer {}".format, wrong))
        }
        after = await done()
    await watcher.close()

    assert answers == {(401, "malformed_key")}
    assert after[1] == before[1]
    # Heartbeats and the feed go on meanwhile, some 20 commands a second.
    assert after[0] - before[0] < len(wrong) / 4


def test_no_success_after_expiry(new_site: NewSite) -> None:
    """A key in constant use, known in every cache, ends when it says."""
    site: Site = new_site()
    gateway = site.start()
    made = site.operator.key("pub-only", expires_in_seconds=2.0)
    expires_at = site.operator.act(
        lambda services: services.keys.show(OPERATOR, made.id)
    ).expires_at
    assert expires_at is not None
    seen: list[tuple[float, int, str | None]] = []

    with Line(gateway.port) as line:
        while not seen or seen[-1][0] < expires_at + 0.5:
            sent = time.time()
            reply = line.ask(f"Bearer {made.secret}")
            seen.append((sent, reply.status, reply.code))
            time.sleep(0.02)

    assert {(status, code) for sent, status, code in seen if sent < expires_at - 0.3} == {
        (200, None)
    }
    assert {(status, code) for sent, status, code in seen if sent > expires_at + 0.1} == {
        (401, "expired_key")
    }


def test_id_and_secret_belong_together(new_site: NewSite) -> None:
    """Another secret with a known id, and a known secret with another id, read exactly as an unknown key."""
    site: Site = new_site()
    gateway = site.start()
    first, second = (key.secret for key in site.operator.keys(2, "pub-only"))
    (first_id, first_secret), (second_id, second_secret) = parts(first), parts(second)
    tried = [
        token(first_id, second_secret),
        token(second_id, first_secret),
        token(first_id),
        token("0" * SECRET_ID_LENGTH),
    ]

    def told(secret: str) -> dict[str, Any]:
        reply = gateway.ask("GET", "/pub/x", secret)
        document: dict[str, Any] = {
            **reply.document,
            "challenge": reply.headers["WWW-Authenticate"],
        }
        assert document.pop("request_id")
        return document

    cold = [told(secret) for secret in tried]
    assert [gateway.ask("GET", "/pub/x", secret).status for secret in (first, second)] == [200, 200]
    warm = [told(secret) for secret in tried]

    assert all(each == cold[0] for each in cold + warm)
    assert (cold[0]["status"], cold[0]["code"]) == (401, "unknown_key")


class Spelling(NamedTuple):
    """A way to write the Authorization value, and what it is answered."""

    value: str
    status: int
    code: str | None


SPELLINGS = {
    "usual": Spelling("Bearer KEY", 200, None),
    "lower": Spelling("bearer KEY", 200, None),
    "upper": Spelling("BEARER KEY", 200, None),
    "two-spaces": Spelling("Bearer  KEY", 200, None),
    "space-after": Spelling("Bearer KEY ", 200, None),
    "tab": Spelling("Bearer\tKEY", 400, "ambiguous_credentials"),
    "no-space": Spelling("BearerKEY", 401, "missing_key"),
    "nothing": Spelling("Bearer", 400, "ambiguous_credentials"),
    "empty": Spelling("", 401, "missing_key"),
    "no-scheme": Spelling("KEY", 401, "missing_key"),
    "other-scheme": Spelling("Token KEY", 401, "missing_key"),
    "comma": Spelling("Bearer KEY, Bearer KEY", 401, "malformed_key"),
    "twice": Spelling("Bearer KEY KEY", 401, "malformed_key"),
    "quoted": Spelling('Bearer "KEY"', 401, "malformed_key"),
    "padded": Spelling("Bearer KEY=", 401, "malformed_key"),
    "full-width": Spelling("Bearer FULLWIDTH", 401, "malformed_key"),
    "zero-width": Spelling("Bearer KE\u200bY", 401, "malformed_key"),
    "byte-order-mark": Spelling("Bearer \ufeffKEY", 401, "malformed_key"),
    "no-break-space": Spelling("Bearer KEY\u00a0", 401, "malformed_key"),
    "swapped-case": Spelling("Bearer SWAPPED", 401, "malformed_key"),
}


def spelt(value: str, secret: str) -> str:
    """The value with the token in it."""
    wide = "".join(chr(ord(each) + 0xFEE0) for each in secret)
    split = f"{secret[:20]}\u200b{secret[20:]}"
    for word, text in (("FULLWIDTH", wide), ("SWAPPED", secret.swapcase()), ("KE\u200bY", split)):
        value = value.replace(word, text)
    return value.replace("KEY", secret)


def test_spellings_of_the_credential(new_site: NewSite) -> None:
    """The scheme may be in any case; what only looks like the key, to people or to Unicode, is not the key."""
    site: Site = new_site()
    gateway = site.start()
    secret = site.operator.key("pub-only").secret

    with Line(gateway.port) as line:
        seen = {
            name: (reply.status, reply.code)
            for name, spelling in SPELLINGS.items()
            for reply in [line.ask(spelt(spelling.value, secret))]
        }

    assert seen == {name: (each.status, each.code) for name, each in SPELLINGS.items()}


def _header(text: str) -> bytes | None:
    """`text` as a field's value; None when no field can hold it."""
    raw = text.encode(errors="surrogatepass")
    return None if any(byte < 32 or byte == 127 for byte in raw) else raw


def test_hostile_texts_for_a_key(new_site: NewSite) -> None:
    """200 texts that break careless queries, as key, path and query: refused at once, and nothing breaks."""
    site: Site = new_site(keys={"failed_per_minute": 1_000_000})
    gateway = site.start()
    good = site.operator.key("pub-only").secret
    values = [value for value in map(_header, HOSTILE) if value is not None]
    slowest, statuses = 0.0, Counter[int]()

    with Line(gateway.port) as line:
        for value in values:
            target = f"/pub/{quote(value, safe='')}?q={quote(value)}"
            for credential, path in (
                (b"Bearer " + value, "/pub/x"),
                (b"Bearer " + good.encode()[:20] + value, "/pub/x"),
                (b"Bearer " + good.encode(), target),
            ):
                began_at = time.monotonic()
                statuses[line.ask(credential, path).status] += 1
                slowest = max(slowest, time.monotonic() - began_at)

    assert len(values) > 150
    assert {status for status in statuses if status >= 500} == set()
    assert set(statuses) <= {200, 400, 401, 414, 431}
    assert slowest < PROMPTLY_SECONDS
    assert gateway.ask("GET", "/pub/x", good).status == 200


def test_hostile_texts_for_the_operator(new_site: NewSite) -> None:
    """The same texts as names and ids: stored as they are or refused with words, never run."""
    site: Site = new_site()
    account = site.operator.account

    def outcome(text: str, act: Callable[[Any], Any]) -> str:
        try:
            site.operator.act(act)
        except KeywrightError as error:
            return str(error)
        return f"stored {text!r}"

    for text in HOSTILE[::4]:
        for act in (
            lambda services, text=text: services.accounts.create(OPERATOR, text),
            lambda services, text=text: services.keys.show(OPERATOR, text),
            lambda services, text=text: services.keys.revoke(OPERATOR, text),
            lambda services, text=text: services.keys.list(
                OPERATOR, KeyFilter(search=text), PageRequest()
            ),
        ):
            assert outcome(text, act)

    found = site.operator.act(
        lambda services: services.accounts.list(OPERATOR, AccountFilter(), PageRequest(PAGE_MAX))
    )
    names = [each.name for each in found.items]
    assert names[0] == "Example"
    assert set(names[1:]) <= {text.strip() for text in HOSTILE} | set(HOSTILE)
    assert len(names) > 10
    assert site.operator.key("pub-only", account_id=account).id


def _abort(gateway: Gateway, secret: str) -> None:
    """Ask, and go away while the upstream is at work."""
    head = f"GET /pub/fault/hang HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {secret}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head.encode())
        time.sleep(0.05)


def test_one_row_for_each_request(new_site: NewSite) -> None:
    """2xx, 4xx, 5xx, 429 and aborted: as many rows as requests, each with an id of its own."""
    site: Site = new_site(usage={"flush_interval": "100ms"})
    gateway = site.start()
    tight = site.operator.key("pub-only", limits=[Limit("tight", 5, 3600)]).secret
    wide = site.operator.key("pub-only").secret
    sent = Counter[str]()

    with Line(gateway.port) as line:
        for round_ in range(100):
            for target in (f"/pub/{round_}", f"/adm/{round_}", "/none", "/pub/fault/status-500"):
                sent[line.ask(f"Bearer {wide}", target).code or "served"] += 1
            sent[line.ask(f"Bearer {tight}").code or "served"] += 1
        for _ in range(5):
            sent[gateway.ask("GET", "/pub/fault/close", wide).code or "served"] += 1
            _abort(gateway, wide)
            sent["client_gone"] += 1
        unknown = Counter(
            line.ask(f"Bearer {text}").code for text in ("no", "", token("0" * 12)) * 10
        )
    total = sum(sent.values())

    def complete() -> bool:
        ((count,),) = rows_of(site, select(func.count()).select_from(usage_records))[0]
        return bool(count >= total)

    eventually(complete, f"{total} rows")
    assert gateway.stop() == 0

    rows, refused = rows_of(
        site,
        select(usage_records.c.outcome, usage_records.c.request_id, usage_records.c.status),
        select(refused_requests.c.outcome, func.sum(refused_requests.c["count"])).group_by(
            refused_requests.c.outcome
        ),
    )
    assert Counter(row.outcome for row in rows) == sent
    assert len({row.request_id for row in rows}) == total
    assert {200, 403, 404, 429, 499, 500, 502} == {row.status for row in rows}
    assert {outcome: int(count) for outcome, count in refused} == unknown


def test_series_are_bounded(new_site: NewSite) -> None:
    """No caller can make a new series: neither by keys nor by paths, methods or request ids."""
    site: Site = new_site()
    gateway = site.start()
    good = site.operator.key("pub-only").secret

    def all_kinds(line: Line, number: int) -> None:
        line.ask(f"Bearer {token(f'{number:012d}')}")
        line.ask(f"Bearer sk_live_{number}")
        line.ask(f"Bearer {good}", f"/pub/{number}")
        line.ask(f"Bearer {good}", f"/none/{number}")
        line.ask(f"Bearer {good}", method=f"M{number}")

    with Line(gateway.port) as line:
        all_kinds(line, 0)
        before = set(gateway.metrics())
        for number in range(1, 200):
            all_kinds(line, number)
        after = set(gateway.metrics())

    # From there on the throttle answers, too.
    assert len(after - before) <= 10, after - before
    assert not any("199" in series for series in after)


def test_malformed_floods_do_not_fill_the_log(new_site: NewSite) -> None:
    """2000 malformed requests: at most a line for each, no trace, and nothing of what was sent."""
    site: Site = new_site(logs={"level": "debug"})
    gateway = site.start()
    before = len(gateway.log_text)
    garbage = b"GET /pub/x HTTP/1.1\r\nHost: h\r\nX-A : tell-tale\r\n\r\n"

    for _ in range(2000):
        with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
            connection.sendall(garbage)
            assert connection.recv(12) == b"HTTP/1.1 400"
    said = gateway.log_text[before:]

    assert said.count("\n") <= 2000
    assert len(said) < 500_000
    assert "tell-tale" not in said


@pytest.mark.parametrize("name", ["api_key", "access_token", "token", "password"])
def test_query_strings_are_kept_nowhere(new_site: NewSite, name: str) -> None:
    """What stands behind the question mark reaches the upstream, and neither log nor usage."""
    site: Site = new_site(logs={"level": "debug"}, usage={"flush_interval": "50ms"})
    gateway = site.start()
    good = site.operator.key("pub-only").secret

    for target in ("/pub/x", "/adm/x", "/none", "/pub/fault/close", "/pub/%00"):
        gateway.ask("GET", f"{target}?{name}=tell-tale", good)
        gateway.ask("GET", f"{target}?{name}=tell-tale")
    assert gateway.stop() == 0

    (rows,) = rows_of(site, select(usage_records))
    assert {row.path for row in rows} >= {"/pub/x", "/adm/x", "/none", "/pub/fault/close"}
    assert "tell-tale" not in repr(rows)
    assert "tell-tale" not in gateway.log_text
    assert b"tell-tale" in site.origin.received


def test_each_refusal_is_told_with_its_reason(new_site: NewSite) -> None:
    """Whoever looks for why a key was refused finds the code, and the key's id, in its usage."""
    site: Site = new_site(
        usage={"flush_interval": "50ms"},
        listen={"port": 0, "environment": "live"},
        routes=[
            {"name": "pub", "match": {"path": "/pub/**"}, "upstream": "origin"},
            {"name": "adm", "match": {"path": "/adm/**"}, "upstream": "origin"},
            {
                "name": "dear",
                "match": {"path": "/dear/**"},
                "upstream": "origin",
                "plans": ["gold"],
            },
        ],
        plans={
            "starter": {"limits": [{"quota": 1000, "window": "60s"}]},
            "gold": {"limits": [{"quota": 1000, "window": "60s"}]},
        },
        upstream={"response_deadline": "200ms"},
    )
    gateway = site.start()
    make = site.operator.key
    tight = make("pub-only", limits=[Limit("tight", 1, 3600)])
    revoked = make("pub-only")
    expired, has_expired_at = make("pub-only", expires_in_seconds=0.5), time.time() + 0.5
    cases = {
        "served": (tight, "/pub/x"),
        "rate_limited": (tight, "/pub/x"),
        "revoked_key": (revoked, "/pub/x"),
        "not_yet_valid": (make("pub-only", not_before=time.time() + 3600), "/pub/x"),
        "environment_mismatch": (make("pub-only", environment=Environment.TEST), "/pub/x"),
        "ip_not_allowed": (make("pub-only", addresses=["203.0.113.0/24"]), "/pub/x"),
        "origin_not_allowed": (
            make("read-only", type=KeyType.PUBLISHABLE, origins=["https://example.com"]),
            "/pub/x",
        ),
        "insufficient_scope": (make("pub-only"), "/adm/x"),
        "plan_required": (make("read-write"), "/dear/x"),
        "no_route": (make("pub-only"), "/none"),
        "upstream_timeout": (make("pub-only"), "/pub/fault/hang"),
        "upstream_unreachable": (make("pub-only"), "/pub/fault/close"),
        "expired_key": (expired, "/pub/x"),
    }
    site.operator.act(lambda services: services.keys.revoke(OPERATOR, revoked.id))
    eventually(lambda: time.time() > has_expired_at, "the key to expire")

    seen = {
        code: gateway.ask("GET", target, key.secret).code for code, (key, target) in cases.items()
    }
    assert gateway.stop() == 0

    assert {code or "served" for code in seen.values()} == set(cases)
    (rows,) = rows_of(site, select(usage_records))
    told = {(row.outcome, row.key_id) for row in rows}
    assert told == {(code, key.id) for code, (key, _) in cases.items()}
    assert not any(key.secret in repr(rows) for key, _ in cases.values())
