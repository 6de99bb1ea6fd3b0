"""The commands on the page about the admin API do what stands there."""

import re
import shlex
from pathlib import Path

import httpx

from tests.admin.api.stand import ON_ONE_DATABASE, Api

PAGE = Path(__file__).parents[3] / "docs/admin-api.md"
COMMAND = re.compile(r"^\$ (curl (?:.*\\\n)*.*)\n(.*(?:\n(?!\$ ).*)*)", re.MULTILINE)
ACCOUNT, KEY = "acc_8nMIv1vp6xawApwi", "key_neDI6ZeBQfs8P94l"


def commands() -> list[tuple[str, str]]:
    """Each curl of the page, with what stands below it."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [found for block in blocks for found in COMMAND.findall(block)]


async def curl(api: Api, command: str) -> httpx.Response:
    """What the command would send."""
    words = iter(shlex.split(command.replace("$(uuidgen)", "u-1").replace("\\\n", " "))[1:])
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value.replace("$TOKEN", api.admin.token)
            case "-d":
                body = next(words).encode()
            case "-i":
                pass
            case _:
                url = word.replace("$KEYWRIGHT", api.url)
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] += url
    return await api.client.request(method, url, content=body, headers=headers)


@ON_ONE_DATABASE
async def test_commands_of_the_page_work_one_after_the_other(api: Api) -> None:
    """Whoever pastes the page's commands in their order, with the ids that they got, gets the answers shown."""
    ids: dict[str, str] = {}
    for written, shown in commands():
        command = re.sub("|".join((ACCOUNT, KEY)), lambda found: ids[found[0]], written)
        answer = await curl(api, command)
        document = answer.json()
        status = re.search(r'"status": (\d+)', shown)
        if command.startswith('curl -X POST "$KEYWRIGHT/v1/accounts" '):
            ids[ACCOUNT] = document["id"]
        if '"production-dns-sync"' in command:
            ids[KEY] = document["id"]

        assert answer.status_code == int(status[1]) if status else answer.is_success, answer.text
        for name in re.findall(r'"(\w+)":', shown):
            assert f'"{name}"' in answer.text, (command, name)

    assert set(ids) == {ACCOUNT, KEY}
    assert len(commands()) >= 11
