"""Texts that break what joins strings into queries, commands, paths or pages: 200 and a few more."""

__all__ = ["HOSTILE"]

_SQL = [
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "') OR ('1'='1",
    "1; DROP TABLE keys; --",
    "'; DELETE FROM accounts; --",
    "x' OR (SELECT 1 FROM pg_sleep(5)) IS NOT NULL --",
    "'; SELECT pg_sleep(5); --",
    "' UNION SELECT token_hash FROM secrets --",
    "' AND randomblob(1000000000) --",
    "'||(SELECT version())||'",
    "' OR id LIKE '%",
    "$1",
    "?1",
    ":id",
    "%(id)s",
    "%s",
    "\\'; --",
    "E'\\x27'",
    "$$; DROP TABLE keys; $$",
    "' /*!50000OR*/ 1=1 #",
    "';ATTACH DATABASE '/tmp/x' AS x; --",
    "NULL",
    "0x27",
    "admin'--",
]
_NOSQL = [
    '{"$gt": ""}',
    '{"$ne": null}',
    '{"$where": "sleep(5000)"}',
    "[$ne]=1",
    "'; return true; var x='",
    "\r\nFLUSHALL\r\n",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "{key}",
    "keywright:*",
    "return redis.call('FLUSHALL')",
]
_OTHER = [
    "*)(uid=*))(|(uid=*",
    "*()|&'",
    "../../etc/passwd",
    "..\\..\\windows",
    "file:///etc/passwd",
    "; cat /etc/passwd",
    "$(reboot)",
    "`reboot`",
    "| ls",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "${jndi:ldap://x/a}",
    "%00",
    "%n%n%n%s",
    "\x1b[2J",
]
_ODD = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udcff",
    "\ufeff",
    "\u202e",
    "\u200b",
    "\uff4b\uff45\uff59",
    "\x7f",
    "🚀" * 50,
    "A" * 100_000,
    "-1",
    "9" * 400,
]
_BASES = _SQL + _NOSQL + _OTHER
# Behind a true-looking start a text gets further before it is refused.
HOSTILE = [
    *(start + text for start in ("", "key_", "acc_", "0123456789AB") for text in _BASES),
    *_ODD,
]
