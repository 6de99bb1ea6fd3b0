"""What of a command's words differs from one time to the next: ids, secrets, times, counts."""

__all__ = ["lasting"]

import re

_PASSING = (
    (r"\b(acc|key|usr|tok|chn|dlv)_[0-9A-Za-z]{12,16}\b", r"<\1>"),
    (r"\bwhsec_[\w+/=]+…?", "<webhook secret>"),
    (r"\b\d+ unread", "<n> unread"),
    (r'"unread": \d+', '"unread": <n>'),
    (r"\bkwadmin_\w+…?", "<admin token>"),
    (r"\b(sk|pk)_(live|test)_([0-9A-Za-z]{50}\b|[0-9A-Za-z]{4}…)", r"<\1 \2>"),
    (r"\b(user|new)\d+@", "<somebody>@"),
    (r"\b\d{10}\.\d+", "<epoch>"),
    (r"\bsecret [0-9A-Za-z]{12}\b", "<secret id>"),
    (r"\$argon2id\$[^\"]+", "<hash>"),
    (r"\b[0-9a-f]{64}\b", "<hash>"),
    (r"\b\d+:<hash>", "<n>:<hash>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"just now|\d+ (s|min) ago", "<ago>"),
    (r"\b\d+(\.\d)? (ms|B|KiB)\b", r"<n> \2"),
    (r'"(ms|exp)": \d+', r'"\1": <n>'),
    (r"\b\d+ of \d+ workers", "<n> of <n> workers"),
    (r"\b\d+ of (\d+ in \d+ s)\b", r"<n> of \1"),
    (r"\b\d+ of (\d+) left", r"<n> of \1 left"),
    (r"\bin [01] s\b", "<soon>"),
    (r'("next_cursor": |--cursor )"?[\w-]+"?', r"\1<cursor>"),
    (r'("(head_sequence|entries|sequence|last_sequence)": )\d+', r"\1<n>"),
    (r"\d+ entries", "<n> entries"),
    (r"(?m)^\d+ +(?=<)", "<n> "),
    (r'"[0-9A-Za-z]{32}"', '"<secret part>"'),
    (r"\b[0-9A-Za-z]{12}\b(?=[ \"]|$)", "<secret id>"),
    (r" +", " "),
    (r"(?m) +$", ""),
)


def lasting(text: str) -> str:
    """`text` with words in the place of all that, each run of spaces as one."""
    for pattern, word in _PASSING:
        text = re.sub(pattern, word, text)
    return text
