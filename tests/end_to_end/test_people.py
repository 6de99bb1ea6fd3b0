"""Accounts and people, by command, before a running gateway: what is decided is felt by the very next request."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from admin.services.users import NewUser
from tests.fixtures_gateway import CONFIG, OPERATOR, Gateway, MadeKey, NewSite, Site

SENTENCE = "API Access is currently disabled on your account."
LIMITS = {"limits": [{"name": "default", "quota": 1_000_000, "window": "60s"}]}
SECTIONS: Mapping[str, Any] = {
    "routes": [
        CONFIG["routes"][0],
        {**CONFIG["routes"][1], "plans": ["large"]},
    ],
    "plans": {
        "starter": {**LIMITS, "member_scopes": ["pub-only", "read-only"]},
        "large": LIMITS,
    },
}


@pytest.fixture
def site(new_site: NewSite) -> Site:
    """A site with two plans, of which the smaller offers members less."""
    made: Site = new_site(**SECTIONS)
    return made


def owned(site: Site, role: str, *scopes: str) -> tuple[str, MadeKey]:
    """A new user, and a key of theirs."""
    account = None if role == "admin" else site.operator.account
    user = site.operator.act(
        lambda services: services.users.create(
            OPERATOR, NewUser(f"{role}@example.com", role, role, account)
        )
    )
    return user.id, site.operator.key(*scopes, owner_id=user.id)


def answer(gateway: Gateway, key: MadeKey, path: str = "/pub/x", method: str = "GET") -> str:
    """The code of the refusal, or the status."""
    reply = gateway.ask(method, path, key.secret)
    return reply.code or str(reply.status)


def enforced(document: Mapping[str, Any]) -> bool:
    """Whether the receipt says that the one worker has heard it."""
    receipt = document["enforced"]
    return bool(receipt["workers"] == receipt["acknowledged"] == 1)


def test_access_on_request(new_site: NewSite) -> None:
    """Nobody calls the API before somebody approved it; each decision is in force when the command has answered."""
    site: Site = new_site(accounts={"default_api_access": "disabled"})
    gateway = site.start()
    key = site.operator.key("pub-only")
    account = site.operator.account
    accounts = ("accounts",)
    before = gateway.ask("GET", "/pub/x", key.secret)
    asked = site.operator.cli(*accounts, "request", account, "--note", "for our status page")
    waiting = answer(gateway, key)
    said = [
        (site.operator.cli(*accounts, *words), answer(gateway, key))
        for words in (
            ("approve", account),
            ("disable", account, "--reason", "unpaid"),
            ("deny", account, "--reason", "no contract"),
            ("approve", account),
        )
    ]

    assert (before.status, before.code) == (403, "api_access_disabled")
    assert before.document["detail"] == SENTENCE
    assert (asked["api_access"], waiting) == ("requested", "api_access_disabled")
    assert [each["api_access"] for each, _ in said] == [
        "approved",
        "disabled",
        "denied",
        "approved",
    ]
    assert [code for _, code in said] == [
        "200",
        "api_access_disabled",
        "api_access_disabled",
        "200",
    ]
    assert all(enforced(document) for document, _ in said)


def test_a_suspended_account(site: Site) -> None:
    """Suspending an account stops its traffic at once, and lifting it lets it through again."""
    gateway = site.start()
    key = site.operator.key("pub-only")
    seen = [answer(gateway, key)]
    for status in ("suspended", "active"):
        changed = site.operator.cli("accounts", "update", site.operator.account, "--status", status)
        assert enforced(changed)
        seen.append(answer(gateway, key))

    assert seen == ["200", "api_access_disabled", "200"]


def test_another_plan(site: Site) -> None:
    """A plan that opens or shuts a route does so at once."""
    gateway = site.start()
    key = site.operator.key("read-write")
    seen = [answer(gateway, key, "/adm/x")]
    for plan in ("large", "starter"):
        site.operator.cli("accounts", "update", site.operator.account, "--plan", plan)
        seen.append(answer(gateway, key, "/adm/x"))

    assert seen == ["plan_required", "200", "plan_required"]


def test_a_member_who_may_less(site: Site) -> None:
    """A user's keys hold no more than the user may do, however that came to be less."""
    gateway = site.start()
    member, key = owned(site, "member", "pub-only", "read-only")
    users = ("users", "update", member)
    seen = [answer(gateway, key), answer(gateway, key, method="POST")]
    for words in (
        ("--scope", "read-only"),
        ("--all-scopes",),
        ("--no-scopes",),
        ("--all-scopes",),
        ("--role", "viewer"),
        ("--role", "member", "--account", site.operator.account),
        ("--status", "disabled"),
        ("--status", "active"),
    ):
        assert enforced(site.operator.cli(*users, *words))
        seen.append(answer(gateway, key, method="POST"))

    assert seen == [
        *("200", "200"),
        *("insufficient_scope", "200"),
        *("insufficient_scope", "200"),
        *("insufficient_scope", "200"),
        *("disabled_key", "200"),
    ]


def test_a_demoted_admin(site: Site) -> None:
    """What an admin gave to a key is not left to the member that they become: the plan's offer holds."""
    gateway = site.start()
    admin, key = owned(site, "admin", "read-write")
    before = answer(gateway, key, method="POST")
    site.operator.cli(
        *("users", "update", admin, "--role", "member"), *("--account", site.operator.account)
    )
    narrowed = answer(gateway, key, method="POST")
    site.operator.cli("accounts", "update", site.operator.account, "--plan", "large")
    widened = answer(gateway, key, method="POST")

    assert (before, narrowed, widened) == ("200", "insufficient_scope", "200")


def test_the_audit_log_by_command(site: Site) -> None:
    """The log is verified, its end noted, and what somebody did to it told with exit code 1."""
    account = site.operator.account
    whole = site.operator.run("audit", "verify")
    noted = re.search(r"\b\d+:[0-9a-f]{64}\b", whole.stdout)
    assert noted is not None
    site.operator.cli("accounts", "update", account, "--name", "Other")
    still = site.operator.run("audit", "verify", "--expect", noted[0])
    another = site.operator.run("audit", "verify", "--expect", noted[0][:-1] + "x")
    rewritten = site.operator.run("audit", "verify", "--expect", f"1:{'0' * 64}")
    (newest, *_) = site.operator.cli("audit", "list", "--target", account)["entries"]

    assert (whole.returncode, still.returncode) == (0, 0)
    assert (another.returncode, "SEQUENCE:HASH" in another.stderr) == (2, True)
    assert rewritten.returncode == 1
    assert "entry 1" in rewritten.stdout
    assert (newest["action"], newest["actor_kind"]) == ("account.update", "operator")
    assert (newest["before"], newest["after"]) == ({"name": "Example"}, {"name": "Other"})
