#!/usr/bin/env python3
"""rawbattery.py - raw-byte battery for an authenticating HTTP/1.1 reverse proxy (stdlib only).

    python3 raworigin.py --port 19001 --log o.log &          # the origin behind the proxy
    python3 rawbattery.py --host 127.0.0.1 --port 8080 --key KEY --upstream-log o.log

It sends each case's exact bytes over a socket and reports the status line(s) received, the
number of responses, whether the connection closed, and - from the origin's log - how many
requests the origin saw, read in three ways (strict / Content-Length wins / chunked wins).
What each case must show is coded beside it; the verdict is PASS, WARN, FAIL or SKIP.

What is checked in every case, on top of its own expectation:
  * no more final responses than requests sent                       (desync towards the client)
  * no canary request (path .../SMUG-<id>) ever reaches the origin   (smuggling)
  * the forwarded bytes mean the same number of requests to a CL-first and to a TE-first
    origin                                                           (ambiguous forwarding)
  * after a refused, malformed message the connection is closed
  * the response holds no key, no traceback
  * a "victim" request on a fresh connection still gets its own answer (response queue)

The proxy under test must route --ok-path (the key may use it) and --deny-path (the key may
NOT; another scope) to the origin, and its limits must be high enough for ~2 requests a case.
Configure the upstream by NAME (http://localhost:PORT): cookie jars often ignore IP hosts (R09).
--md prints the case table.  Loopback only unless --allow-remote.
"""
from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from urllib.parse import unquote_to_bytes

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import raworigin  # noqa: E402  (parsers shared with the origin)

CRLF = b"\r\n"


# --------------------------------------------------------------------------- config, builders
class Cfg:
    def __init__(self, a):
        self.a = a
        self.host_b = (a.host_header or f"{a.host}:{a.port}").encode()
        self.key = a.key.encode()
        self.key2 = (a.key2 or a.key).encode()
        self.ok, self.deny = a.ok_path.encode(), a.deny_path.encode()
        self.open = a.open_path.encode() if a.open_path else None
        self.idh = [h.encode() for h in a.id_header] or [b"X-Key-Id", b"X-Consumer-Id", b"X-Scopes"]
        self.canary = 0            # port of the SSRF canary listener
        self.o_ok = (a.origin_ok or a.ok_path).encode()
        self.o_deny = (a.origin_deny or a.deny_path).encode()

    def auth(self, key=None) -> bytes:
        return (self.a.auth_header.encode().replace(b"{key}", self.key if key is None else key)) + CRLF

    def req(self, t=None, m=b"GET", h=b"", body=b"", ver=b"HTTP/1.1", host=True, auth=True, key=None) -> bytes:
        """one request; h: extra raw header lines, each with its CRLF"""
        out = m + b" " + (self.ok + b"c" if t is None else t) + b" " + ver + CRLF
        if host is True:
            out += b"Host: " + self.host_b + CRLF
        elif host:
            out += host
        if auth:
            out += self.auth(key)
        return out + h + CRLF + body

    def smug(self, cid) -> bytes:
        return b"GET " + self.deny + b"SMUG-" + cid.encode() + b" HTTP/1.1\r\nHost: " + self.host_b + b"\r\n\r\n"


class Case:
    def __init__(self, id, tier, title, parts, ok="400", warn="", n=1, close="", omax=None, checks=(),
                 must="", methods=(), wait=None, half=False, slow=False, then=None, victim=1):
        self.id, self.tier, self.title = id, tier, title
        self.parts = parts if isinstance(parts, list) else [parts]
        self.ok, self.warn, self.n, self.close = ok, warn, n, close
        self.omax = n if omax is None else omax
        self.checks, self.must, self.methods = list(checks), must, list(methods)
        self.wait, self.half, self.slow, self.then, self.victim = wait, half, slow, then, victim


def CL(b: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(b)


TE = b"Transfer-Encoding: chunked\r\n"
CHK = b"5\r\nhello\r\n0\r\n\r\n"
BAD = dict(ok="400", warn="close", close="must")          # malformed: refuse and close
CLTE = dict(ok="400", warn="close 2xx", close="must")     # RFC 9112 6.3: TE may win, if the connection then closes


# --------------------------------------------------------------------------- extra checks
def norm_name(n: bytes) -> bytes:
    return re.sub(rb"[_. \t]", b"-", n.strip().lower())


def no_value(*values: bytes):
    """none of these header values may reach the origin"""
    def f(c, x):
        return [("FAIL", "origin got spoofed %s: %s" % (k.decode("latin-1"), v.decode("latin-1")[:60]))
                for r in x.oreqs for k, v in r["headers"] for bad in values if bad in v]
    return f


def no_header(*names: bytes, sev="FAIL"):
    def f(c, x):
        return [(sev, "origin got header %s" % k.decode("latin-1"))
                for r in x.oreqs for k, v in r["headers"] if k.strip().lower() in [n.lower() for n in names]]
    return f


def id_intact(c, x):
    """identity headers the proxy adds itself (learnt from the baseline) must still be there"""
    out = []
    for r in x.oreqs:
        have = {norm_name(k) for k, _ in r["headers"]}
        for h in c.idh:
            if h.lower() in x.base_headers and norm_name(h) not in have:
                out.append(("FAIL", "proxy's own %s was removed by the client" % h.decode()))
            vals = {v for k, v in r["headers"] if norm_name(k) == norm_name(h)}
            if len(vals) > 1:
                out.append(("FAIL", "several values of %s at the origin" % h.decode()))
    return out


def xff_honest(c, x):
    """the last X-Forwarded-For hop must be the real peer; X-Real-IP/Forwarded not the client's"""
    out = []
    for r in x.oreqs:
        xff = b",".join(v for k, v in r["headers"] if k.lower() == b"x-forwarded-for")
        if xff and xff.split(b",")[-1].strip() in (b"203.0.113.9", b"203.0.113.10"):
            out.append(("FAIL", "spoofed X-Forwarded-For passed on unappended: %r" % xff))
        for k, v in r["headers"]:
            if k.lower() in (b"x-real-ip", b"forwarded", b"true-client-ip", b"x-client-ip",
                             b"cf-connecting-ip") and b"203.0.113." in v:
                out.append(("WARN", "client's own %s reached the origin" % k.decode()))
    return out


def one_host(c, x):
    return [("FAIL", "origin got %d Host headers" % n) for r in x.oreqs
            if (n := sum(k.lower() == b"host" for k, _ in r["headers"])) != 1]


def body_is(n):
    def f(c, x):
        return [("FAIL", "origin got body of %d bytes, not %d" % (r["body_len"], n))
                for r in x.oreqs if r["body_len"] not in (n, -1)]
    return f


def not_forwarded(c, x):
    return [("FAIL", "was forwarded to the origin: %s" % r["line"].decode("latin-1")[:80]) for r in x.oreqs]


def no_101(c, x):
    return [("FAIL", "101 Switching Protocols was given")] if any(r.status == 101 for r in x.info + x.final) else []


def client_lacks(*pats: bytes):
    def f(c, x):
        return [("FAIL", "client got %r" % p[:40]) for p in pats if p.lower() in x.raw.lower()]
    return f


def incomplete(c, x):
    """a truncated upstream answer must not look complete to the client"""
    for r in x.final:
        if r.status >= 500:
            return []
        if r.complete:
            return [("FAIL", "truncated upstream body was passed on as a complete response")]
    return []


def canary_untouched(c, x):
    return [("FAIL", "proxy connected to a host chosen by the client (SSRF)")] if x.canary_hits else []


def faster(ms):
    def f(c, x):
        return [("FAIL", "first byte after %d ms (limit %d)" % (x.ms, ms))] if x.ms > ms else []
    return f


def dots(p: bytes) -> bytes:
    out: list[bytes] = []
    segs = p.split(b"/")
    for i, s in enumerate(segs):
        if s == b"..":
            if len(out) > 1:
                out.pop()
            if i == len(segs) - 1:
                out.append(b"")
        elif s == b".":
            if i == len(segs) - 1:
                out.append(b"")
        else:
            out.append(s)
    r = b"/".join(out)
    return r if r.startswith(b"/") else b"/" + r


def readings(t: bytes) -> dict[str, bytes]:
    """how different back-ends may understand a request target"""
    m = re.match(rb"^[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*(.*)$", t)
    if m:
        t = m.group(1) or b"/"
    p = t.split(b"?")[0].split(b"#")[0]
    merge = lambda q: re.sub(rb"/{2,}", b"/", q)                      # noqa: E731
    params = lambda q: b"/".join(s.split(b";")[0] for s in q.split(b"/"))  # noqa: E731
    d1 = unquote_to_bytes(p)
    d2 = unquote_to_bytes(d1)
    r = {"raw": p, "dots": dots(p), "merge": dots(merge(p)), "decoded": merge(d1),
         "decoded+dots": dots(merge(d1)), "params": dots(merge(params(p))),
         "params+decoded": dots(merge(params(d1))), "backslash": dots(merge(d1.replace(b"\\", b"/"))),
         "nul": dots(merge(d1.split(b"\0")[0])), "soft:decoded twice": dots(merge(d2))}
    r["soft:case"] = r["decoded+dots"].lower()
    return r


def no_deny(c, x):
    """no reading of the forwarded target may lie under the forbidden prefix"""
    out = []
    for q in x.oreqs:
        for how, p in readings(q["target"]).items():
            if p.startswith(c.o_deny) or p == c.o_deny.rstrip(b"/"):
                sev = "WARN" if how.startswith("soft:") else "FAIL"
                out.append((sev, "forwarded %s is %s under reading '%s'" %
                            (q["target"].decode("latin-1")[:60], p.decode("latin-1")[:40], how)))
                break
    return out


def target_is(*ts: bytes):
    def f(c, x):
        return [("FAIL", "origin got target %s" % r["target"].decode("latin-1")[:80])
                for r in x.oreqs if r["target"] not in ts]
    return f


def in_order(c, x):
    """pipelined answers in order, each its own"""
    got = [re.search(rb'"target": "[^"]*?/q(\d)', r.body) for r in x.final]
    nums = [int(m.group(1)) for m in got if m]
    return [] if nums == sorted(nums) else [("FAIL", "pipelined answers out of order: %s" % nums)]


# --------------------------------------------------------------------------- the public cases
def public_cases(c: Cfg) -> list[Case]:
    L: list[Case] = []
    ok, deny = c.ok, c.deny
    o, d = ok.strip(b"/"), deny.strip(b"/")

    def add(*a, **k):
        L.append(Case(*a, **k))

    # --- B: baselines
    add("B01", "P", "clean GET with the key", c.req(ok + b"B01"), ok="2xx", must="2xx; origin sees 1")
    add("B02", "P", "clean POST, Content-Length", c.req(ok + b"B02", b"POST", CL(b"hello"), b"hello"), ok="2xx",
        checks=[body_is(5)])
    add("B03", "P", "clean POST, chunked", c.req(ok + b"B03", b"POST", TE, CHK), ok="2xx", checks=[body_is(5)])
    add("B04", "P", "three pipelined GETs: three answers, in order",
        b"".join(c.req(ok + b"q%d" % i) for i in (1, 2, 3)), ok="2xx", n=3, checks=[in_order])
    add("B05", "P", "HEAD: no body", c.req(ok + b"B05", b"HEAD"), ok="2xx", methods=[b"HEAD"])

    # --- A: the credential itself
    add("A01", "P", "no key", c.req(ok + b"A01", auth=False), ok="401", checks=[not_forwarded],
        must="401 with WWW-Authenticate; origin 0")
    add("A02", "P", "unknown key", c.req(ok + b"A02", key=b"sk_test_unknown_0123456789"), ok="401", checks=[not_forwarded])
    add("A03", "P", "SQL text as key (CVE-2026-42208)",
        c.req(ok + b"A03", key=b"x' OR (SELECT 1 FROM pg_sleep(5)) IS NOT NULL --"), ok="401",
        checks=[not_forwarded, faster(1500)])
    add("A04", "P", "glob as key: *", c.req(ok + b"A04", key=b"*"), ok="401", checks=[not_forwarded])
    add("A05", "P", "two Authorization headers: good, then bad", c.req(ok + b"A05", h=c.auth(b"bad")), ok="400 401",
        checks=[not_forwarded], must="400/401: never choose one silently")
    add("A06", "P", "two Authorization headers: bad, then good", c.req(ok + b"A06", h=c.auth(), key=b"bad"), ok="400 401",
        checks=[not_forwarded])
    basic = base64.b64encode(c.key + b":")
    gone = [no_header(b"authorization", b"x-api-key", b"x-api-secret"), no_value(c.key, basic)]
    add("A07", "P", "Basic with the key as user name", c.req(ok + b"A07", auth=False, h=b"Authorization: Basic " + basic + CRLF),
        ok="2xx", checks=[id_intact, *gone])
    add("A08", "P", "Basic with the key as password", c.req(ok + b"A08", auth=False,
        h=b"Authorization: Basic " + base64.b64encode(b":" + c.key) + CRLF), ok="400 401", checks=[not_forwarded])
    add("A09", "P", "the key in X-API-Key", c.req(ok + b"A09", auth=False, h=b"x-api-key: " + c.key + CRLF),
        ok="2xx", checks=[id_intact, *gone])
    add("A10", "P", "X-API-Key beside Authorization", c.req(ok + b"A10", h=b"X-API-Key: " + c.key + CRLF), ok="400",
        checks=[not_forwarded], must="400: never choose one silently")
    add("A11", "P", "X-API-Key twice: good, then bad",
        c.req(ok + b"A11", auth=False, h=b"X-API-Key: " + c.key + b"\r\nX-API-Key: bad\r\n"), ok="400 401", checks=[not_forwarded])
    add("A12", "P", "X_API_Key is another header", c.req(ok + b"A12", auth=False, h=b"X_API_Key: " + c.key + CRLF), ok="401",
        checks=[not_forwarded])
    add("A13", "P", "half a pair: X-API-Secret alone", c.req(ok + b"A13", auth=False, h=b"X-API-Secret: " + c.key[-38:-6] + CRLF),
        ok="400 401", checks=[not_forwarded])
    add("A14", "P", "Basic that is not base64", c.req(ok + b"A14", auth=False, h=b"Authorization: Basic " + c.key + b":x\r\n"),
        ok="400 401", checks=[not_forwarded])
    add("A15", "P", "Negotiate beside a good X-API-Key",
        c.req(ok + b"A15", auth=False, h=b"Authorization: Negotiate TlRMTVNTUA==\r\nX-API-Key: " + c.key + CRLF), ok="2xx 400",
        checks=[*gone, no_value(b"TlRMTVNTUA")])

    # --- S: length framing
    s = c.smug("S01")
    add("S01", "P", "CL.TE: both headers, chunked ends early",
        c.req(ok + b"S01", b"POST", CL(b"0\r\n\r\n" + s) + TE, b"0\r\n\r\n" + s), **CLTE)
    s = c.smug("S02")
    b = b"%x\r\n" % len(s) + s + b"\r\n0\r\n\r\n"
    add("S02", "P", "TE.CL: both headers, CL covers the first chunk line",
        c.req(ok + b"S02", b"POST", b"Content-Length: 4\r\n" + TE, b), **CLTE)
    s = c.smug("S03")
    add("S03", "P", "two different Content-Length",
        c.req(ok + b"S03", b"POST", b"Content-Length: 5\r\nContent-Length: %d\r\n" % (5 + len(s)), b"hello" + s), **BAD)
    add("S04", "P", "Content-Length list '5, 5'", c.req(ok + b"S04", b"POST", b"Content-Length: 5, 5\r\n", b"hello"),
        ok="400", warn="2xx close", checks=[body_is(5)])
    add("S05", "P", "Content-Length: +5", c.req(ok + b"S05", b"POST", b"Content-Length: +5\r\n", b"hello"), **BAD)
    add("S06", "P", "Content-Length: 1_0 (CVE-2023-47627)",
        c.req(ok + b"S06", b"POST", b"Content-Length: 1_0\r\n", b"0123456789"), **BAD)
    s = c.smug("S07")
    add("S07", "P", "empty Content-Length (CVE-2023-40225)", c.req(ok + b"S07", b"POST", b"Content-Length: \r\n", s), **BAD)
    add("S08", "P", "Content-Length 2^64+5 (CVE-2021-40346 class)",
        c.req(ok + b"S08", b"POST", b"Content-Length: 18446744073709551621\r\n", b"hello"), ok="400 413", warn="close", close="must")
    add("S09", "P", "Content-Length: -5", c.req(ok + b"S09", b"POST", b"Content-Length: -5\r\n", b"hello"), **BAD)
    add("S10", "P", "negative/absurd: Content-Length: 1e1", c.req(ok + b"S10", b"POST", b"Content-Length: 1e1\r\n", b"0123456789"), **BAD)

    # --- T: Transfer-Encoding spelling (with a CL beside it where that shows the fallback)
    def te(cid, tier, title, line, cl=True, body=CHK, ver=b"HTTP/1.1", **kw):
        k = dict(BAD, ok="400 501 422")
        k.update(kw)
        add(cid, tier, title, c.req(ok + cid.encode(), b"POST", (CL(body) if cl else b"") + line, body, ver=ver), **k)
    te("T01", "P", "Transfer-Encoding: xchunked", b"Transfer-Encoding: xchunked\r\n", cl=False)
    te("T02", "P", "Transfer-Encoding: chunked, identity", b"Transfer-Encoding: chunked, identity\r\n", cl=False)
    te("T03", "P", "two TE headers: chunked, chunked", TE + TE, cl=False)
    te("T04", "P", "space before colon: Transfer-Encoding : chunked", b"Transfer-Encoding : chunked\r\n")
    te("T05", "P", "tab before value, beside CL", b"Transfer-Encoding:\tchunked\r\n", warn="close 2xx")
    te("T06", "P", "',chunked' beside CL", b"Transfer-Encoding: ,chunked\r\n")
    te("T07", "P", "obs-fold: 'Transfer-Encoding:\\r\\n chunked'", b"Transfer-Encoding:\r\n chunked\r\n", warn="close 2xx")
    te("T08", "P", "Transfer_Encoding (underscore) beside CL", b"Transfer_Encoding: chunked\r\n", ok="400 2xx", close="",
       must="refused, or the underscore header is dropped")
    te("T09", "P", "chunked in HTTP/1.0", TE, cl=False, ver=b"HTTP/1.0", ok="400 501", warn="2xx close")
    te("T10", "P", "gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n", cl=False, ok="400 415 422 501", warn="2xx close", close="")

    # --- C: chunk grammar
    def ch(cid, tier, title, body, **kw):
        k = dict(BAD)
        k.update(kw)
        add(cid, tier, title, c.req(ok + cid.encode(), b"POST", TE, body), **k)
    ch("C01", "P", "chunk size 0x5", b"0x5\r\nhello\r\n0\r\n\r\n")
    ch("C02", "P", "chunk size +5", b"+5\r\nhello\r\n0\r\n\r\n")
    ch("C03", "P", "chunk size 5_0 -> '0_2e' (HTTP Garden 1)", b"0_2e\r\n" + c.smug("C03") + b"0\r\n\r\n")
    ch("C04", "P", "bare LF ends a chunk extension (TERM.EXT, CVE-2024-52304)",
       b"5;a\nhello\r\n0\r\n\r\n")
    ch("C05", "P", "chunk data longer than its size (spill)", b"5\r\nhello??\r\n0\r\n\r\n")
    ch("C06", "P", "bare LF after chunk data", b"5\r\nhello\n0\r\n\r\n")
    ch("C07", "P", "chunk size overflow", b"FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n", ok="400 413")
    ch("C08", "P", "no last chunk (client stays open)", b"5\r\nhello\r\n", ok="timeout 400 408 close", close="", wait=2.0)
    ch("C09", "P", "forbidden trailers: CL, TE, Authorization, identity",
       b"5\r\nhello\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer attacker\r\n"
       + b"".join(h + b": attacker\r\n" for h in c.idh) + b"\r\n", ok="2xx 400", close="",
       checks=[no_value(b"attacker"), body_is(5)], must="trailers never become headers")
    ch("C10", "P", "5000 one-byte chunks (CVE-2025-69229 class)", b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n", ok="2xx 413", close="",
       checks=[body_is(5000), faster(3000)])

    # --- M: message syntax
    add("M01", "P", "bare LF line ends", c.req(ok + b"M01").replace(b"\r\n", b"\n"), ok="400", warn="2xx close")
    add("M02", "P", "bare CR inside a header value (CVE-2023-37276)",
        c.req(ok + b"M02", b"POST", b"X-Abc: \rxTransfer-Encoding: chunked\r\n", b"1\r\nA\r\n0\r\n\r\n"), **BAD)
    add("M03", "P", "NUL inside a header value", c.req(ok + b"M03", h=b"X-A: a\x00b\r\n"), **BAD)
    add("M04", "P", "space before colon", c.req(ok + b"M04", h=b"X-A : b\r\n"), **BAD)
    add("M05", "P", "obs-fold", c.req(ok + b"M05", h=b"X-A: b\r\n c\r\n"), ok="400", warn="2xx close")
    add("M06", "P", "header without colon", c.req(ok + b"M06", h=b"NoColonHere\r\n"), **BAD)
    add("M07", "P", "empty header name (CVE-2023-25725)", c.req(ok + b"M07", h=b": x\r\n"), **BAD)
    add("M08", "P", "no Host in HTTP/1.1", c.req(ok + b"M08", host=False), ok="400", close="should", checks=[not_forwarded])
    add("M09", "P", "two different Hosts (CVE-2026-34525)", c.req(ok + b"M09", h=b"Host: evil.example\r\n"), **BAD)
    add("M10", "P", "Host with a path: h/x", c.req(ok + b"M10", host=b"Host: " + c.host_b + b"/x\r\n"), ok="400",
        checks=[not_forwarded])
    add("M11", "P", "empty Host", c.req(ok + b"M11", host=b"Host: \r\n"), ok="400", warn="2xx")
    add("M12", "P", "absolute-form, other host than Host",
        c.req(b"http://evil.example" + ok + b"M12"), ok="400 2xx 404 421", checks=[one_host],
        must="target's host wins or 400; never two truths")
    add("M13", "P", "CONNECT", b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n" % (c.canary or 1, c.auth()),
        ok="400 403 404 405 501", checks=[canary_untouched, not_forwarded])
    add("M14", "P", "TRACE must not echo the key", c.req(ok + b"M14", b"TRACE"), ok="400 403 405 501", checks=[not_forwarded])
    add("M15", "P", "HTTP/0.9: 'GET /x'", b"GET " + ok + b"M15\r\n\r\n", ok="400 close 505 timeout", checks=[not_forwarded])
    add("M16", "P", "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ok="400 close 505", warn="timeout", close="must", checks=[not_forwarded])
    add("M17", "P", "method in lower case", c.req(ok + b"M17", b"get"), ok="400 405 501", warn="2xx",
        must="refused or forwarded as is; never matched as GET in an allow list only")
    add("M18", "P", "100 KB target", c.req(ok + b"a" * 100_000), ok="414 400 431", warn="close", checks=[not_forwarded])
    add("M19", "P", "100 KB header", c.req(ok + b"M19", h=b"X-A: " + b"a" * 100_000 + CRLF), ok="431 400", warn="close",
        checks=[not_forwarded])
    add("M20", "P", "10 000 headers", c.req(ok + b"M20", h=b"".join(b"X-%d: v\r\n" % i for i in range(10_000))),
        ok="431 400", warn="close", checks=[not_forwarded])
    add("M21", "P", "control character 0x01 in a value", c.req(ok + b"M21", h=b"X-A: a\x01b\r\n"), ok="400", warn="2xx close")
    add("M22", "P", "TLS ClientHello to the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"R" * 32,
        ok="400 close timeout", checks=[not_forwarded])
    add("M23", "P", "leading CRLF before the request line", CRLF + c.req(ok + b"M23"), ok="2xx 400")
    add("M24", "P", "Expect: 100-continue with the body at once",
        c.req(ok + b"M24", b"POST", CL(b"hello") + b"Expect: 100-continue\r\n", b"hello"), ok="2xx 417", checks=[body_is(5)],
        must="exactly one final response")
    add("M25", "P", "NUL in the target", c.req(ok + b"M25\x00x"), **BAD)
    add("M26", "P", "space in the target", b"GET " + ok + b"M26 " + deny + b"x HTTP/1.1\r\nHost: " + c.host_b + CRLF + c.auth() + CRLF,
        ok="400", close="must", checks=[not_forwarded])
    add("M27", "P", "raw CRLF via %0d%0a in the path stays encoded (CRLF desync)",
        c.req(ok + b"M27%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20" + deny + b"SMUG-M27"), ok="2xx 400 404")

    # --- D: state across requests on one connection
    s = c.smug("D01")
    add("D01", "P", "refused (401) POST whose body is a request",
        c.req(ok + b"D01", b"POST", CL(s), s, key=b"bad"), ok="401", checks=[not_forwarded],
        must="one 401; body drained or connection closed (CVE-2025-4366 class)")
    s = c.smug("D02")
    add("D02", "P", "GET with a body that is a request", c.req(ok + b"D02", h=CL(s), body=s), ok="2xx 400", checks=[body_is(len(s))],
        must="one response; body forwarded whole or refused")
    add("D03", "P", "valid key first, then none, on one connection: second is 401",
        c.req(ok + b"D03") + c.req(ok + b"D03b", auth=False), ok="2xx|401", n=2, omax=1)
    add("D04", "P", "no key first, then valid key: 401 then 2xx (or closed)",
        c.req(ok + b"D04", auth=False) + c.req(ok + b"D04b"), ok="401|2xx", n=2, omax=1)
    add("D05", "P", "Content-Length: 0 then a second request: exactly two answers",
        c.req(ok + b"D05", b"POST", b"Content-Length: 0\r\n") + c.req(ok + b"D05b"), ok="2xx|2xx", n=2)
    s = c.smug("D06")
    add("D06", "P", "OPTIONS with a body that is a request", c.req(ok + b"D06", b"OPTIONS", CL(s), s), ok="2xx 400 403 405")
    s = c.smug("D07")
    add("D07", "P", "refused path (403) POST whose body is a request",
        c.req(deny + b"D07", b"POST", CL(s), s), ok="403 404 401", checks=[not_forwarded])

    # --- U: upgrade and tunnels
    WS = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
          b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
    s = c.smug("U01")
    add("U01", "P", "websocket upgrade with a Content-Length body (CVE-2026-69243)",
        c.req(ok + b"U01", h=WS + CL(s), body=s), ok="400 2xx 101 426 501", checks=[])
    s = c.smug("U02")
    add("U02", "P", "Upgrade: foo, then a request at once (CVE-2026-2833, -73548)",
        c.req(ok + b"U02", h=b"Connection: Upgrade\r\nUpgrade: foo\r\n") + s, ok="2xx|400 401 403 404", n=2, omax=1,
        warn="400 501", must="no tunnel before 101; the second request is judged by itself (401/403)")
    add("U03", "P", "websocket without a key", c.req(ok + b"U03", h=WS, auth=False), ok="401", checks=[no_101, not_forwarded])
    add("U04", "P", "websocket to a forbidden path", c.req(deny + b"U04", h=WS), ok="403 404 401", checks=[no_101, not_forwarded])

    # --- H: hop-by-hop and identity headers
    spoof = b"".join(h + b": attacker\r\n" for h in c.idh)
    add("H01", "P", "client sends the identity headers itself", c.req(ok + b"H01", h=spoof), ok="2xx 400",
        checks=[no_value(b"attacker"), id_intact])
    add("H02", "P", "... with underscores (CVE-2026-54763, oauth2-proxy)",
        c.req(ok + b"H02", h=spoof.replace(b"-", b"_")), ok="2xx 400", checks=[no_value(b"attacker"), id_intact])
    add("H03", "P", "Connection names the identity headers (CVE-2024-45410)",
        c.req(ok + b"H03", h=b"Connection: close, " + b", ".join(c.idh) + CRLF), ok="2xx 400", checks=[id_intact])
    add("H04", "P", "Connection: X-Forwarded-For, X-Real-IP",
        c.req(ok + b"H04", h=b"Connection: keep-alive, X-Forwarded-For, X-Real-IP\r\n"), ok="2xx 400", checks=[id_intact])
    add("H05", "P", "spoofed X-Forwarded-For", c.req(ok + b"H05", h=b"X-Forwarded-For: 203.0.113.9\r\n"), ok="2xx 400",
        checks=[xff_honest])
    add("H06", "P", "hop-by-hop headers are not forwarded",
        c.req(ok + b"H06", h=b"Keep-Alive: timeout=99\r\nProxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n"
              b"Connection: X-Private\r\nX-Private: 1\r\n"), ok="2xx",
        checks=[no_header(b"keep-alive", b"proxy-authorization", b"x-private"), no_header(b"proxy-connection", sev="WARN")])
    add("H07", "P", "X-Original-URL / X-Rewrite-URL: the forbidden path",
        c.req(ok + b"H07", h=b"X-Original-URL: " + deny + b"x\r\nX-Rewrite-URL: " + deny + b"x\r\n"), ok="2xx 400",
        checks=[no_header(b"x-original-url", b"x-rewrite-url", sev="WARN"), no_deny])
    add("H08", "P", "method override headers",
        c.req(ok + b"H08", b"POST", CL(b"") + b"X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\n"), ok="2xx 400",
        checks=[no_header(b"x-http-method-override", b"x-method-override", sev="WARN")],
        must="dropped, or scopes do not depend on the method")
    add("H09", "P", "Proxy: header (httpoxy)", c.req(ok + b"H09", h=b"Proxy: http://127.0.0.1:%d\r\n" % (c.canary or 1)),
        ok="2xx 400", checks=[no_header(b"proxy", sev="WARN"), canary_untouched])
    add("H10", "P", "the client's API key is not handed to the upstream (hide_credentials)", c.req(ok + b"H10"), ok="2xx",
        checks=[lambda c, x: [("WARN", "origin got the client's key")] if any(c.key in v for r in x.oreqs for _, v in r["headers"]) else []])
    add("H11", "P", "Connection: Content-Length (framing header named hop-by-hop)",
        c.req(ok + b"H11", b"POST", CL(b"hello") + b"Connection: Content-Length\r\n", b"hello"), ok="2xx 400", checks=[body_is(5)])

    # --- P: the path decides the scope
    def path(cid, tier, title, target, ok_st="400 403 404 401", warn="2xx 3xx", checks=(no_deny,), m=b"GET", hdr=b"", **kw):
        add(cid, tier, title, c.req(target, m, hdr), ok=ok_st, warn=warn, checks=list(checks), **kw)
    path("P01", "P", "forbidden path, plain", deny + b"x", "403 404 401", "", [not_forwarded])
    path("P02", "P", "dot segments: " + (o + b"/../" + d).decode(), ok + b"../" + d + b"/x")
    path("P03", "P", "encoded dots %2e%2e", ok + b"%2e%2e/" + d + b"/x")
    path("P04", "P", "encoded slash ..%2f", ok + b"..%2f" + d + b"/x")
    path("P05", "P", "double slash at the start", b"//" + d + b"/x")
    path("P06", "P", "..; (path parameter)", ok + b"..;/" + d + b"/x")
    path("P07", "P", "double encoding %252e%252e", ok + b"%252e%252e/" + d + b"/x")
    path("P08", "P", "backslashes", ok + b"..\\" + d + b"\\x")
    path("P09", "P", "case: forbidden prefix in capitals", b"/" + d.upper() + b"/x")
    path("P10", "P", "percent-encoded letter of the forbidden prefix", b"/%%%02x" % d[0] + d[1:] + b"/x")
    path("P11", "P", "parameter after the forbidden segment", b"/" + d + b";v=1/x")
    path("P12", "P", "fragment in the target (CVE-2023-45539)", ok + b"x#/../../" + d + b"/x", warn="2xx",
         checks=[no_deny, lambda c, x: [("FAIL", "# reached the origin") for r in x.oreqs if b"#" in r["target"]]])
    path("P13", "P", "query must stay a query", ok + b"x?/../../" + d + b"/x", "2xx", "", [no_deny])
    path("P14", "P", "absolute-form to the forbidden path", b"http://" + c.host_b + deny + b"x")
    path("P15", "P", "forbidden prefix without the last slash", b"/" + d)
    path("P16", "P", "HEAD is judged as GET", deny + b"x", "403 404 401", "", [not_forwarded], m=b"HEAD", methods=[b"HEAD"])
    path("P17", "P", "%00 cut", b"/" + d + b"%00/x")
    path("P18", "P", "legitimate escapes survive byte for byte", ok + b"a%2Fb%20c%3Fd%26e;f=g,h@i:j%C3%A9", "2xx", "400",
         [target_is(c.o_ok + b"a%2Fb%20c%3Fd%26e;f=g,h@i:j%C3%A9")])
    path("P19", "P", "legitimate query survives byte for byte", ok + b"q?a=1&a=2&b=%2B+%26&c=&d", "2xx", "",
         [target_is(c.o_ok + b"q?a=1&a=2&b=%2B+%26&c=&d")])
    if c.canary:
        cn = b"127.0.0.1:%d" % c.canary
        path("P20", "P", "absolute-form to another host and port (SSRF)", b"http://" + cn + b"/x", "400 401 403 404 421 2xx", "",
             [canary_untouched])
        path("P21", "P", "target without a slash: @host:port/ (SSRF)", b"@" + cn + b"/x", "400 404", "2xx", [canary_untouched])
    if c.open:
        op = c.open.rstrip(b"/")

        def opn(cid, tier, title, target, hdr=b"", host=True):
            add(cid, tier, title, c.req(target, h=hdr, auth=False, host=host), ok="400 401 403 404", warn="2xx",
                checks=[not_forwarded, no_deny])
        opn("O01", "P", "open path + dot segments, no key", op + b"/../" + o + b"/x")
        opn("O02", "P", "open path as a parameter, no key", ok + b"x?" + op)
        opn("O03", "P", "X-Forwarded-Uri: the open path, no key (CVE-2026-40575)", ok + b"x", b"X-Forwarded-Uri: " + op + CRLF)
    add("O04", "P", "health-checker User-Agent does not open doors (CVE-2026-34457)",
        c.req(ok + b"O04", h=b"User-Agent: GoogleHC/1.0\r\n", auth=False), ok="401", checks=[not_forwarded])

    # --- R: hostile or broken upstream answers
    def up(cid, tier, title, name, ok_st="502", **kw):
        k = dict(ok=ok_st, victim=2)
        k.update(kw)
        m = k.pop("m", b"GET")
        h = k.pop("h", b"")
        b = k.pop("b", b"")
        add(cid, tier, title, c.req(ok + b"fault/" + name + b"?" + cid.encode(), m, h, b), **k)
    up("R01", "P", "upstream closes without an answer", b"close", "502 503 504", omax=2)
    up("R02", "P", "upstream resets", b"reset", "502 503 504", omax=2)
    up("R03", "P", "upstream sends 50 of 100 bytes, then closes", b"short", "2xx 502", checks=[incomplete])
    up("R04", "P", "upstream chunked body without its end", b"short-chunked", "2xx 502", checks=[incomplete])
    up("R05", "P", "upstream resets in mid-body", b"reset-mid", "2xx 502", checks=[incomplete])
    up("R06", "P", "1 MB response header", b"big-headers", "502", wait=5)
    up("R07", "P", "bytes after the response body (queue poisoning)", b"extra", "2xx 502", checks=[client_lacks(b"POISON")], victim=3)
    up("R08", "P", "redirect is passed on, not followed", b"redirect", "302",
       checks=[lambda c, x: [("FAIL", "proxy followed the redirect")] if b"redirected-by-proxy" in x.obytes else []])
    up("R09", "P", "Set-Cookie of one caller is not replayed for another", b"setcookie", "2xx",
       then=("cookie", b"upstream_session="))
    up("R10", "P", "status line is garbage", b"bad-status", "502")
    up("R11", "P", "gzip body passes untouched", b"gzip", "2xx",
       checks=[lambda c, x: _gzip_same(x)], h=b"Accept-Encoding: gzip\r\n")
    up("R12", "P", "5xx of the upstream passes with its body", b"status-503", "503", checks=[])
    up("R13", "P", "hop-by-hop headers of the response are stripped", b"hop", "2xx",
       checks=[client_lacks(b"x-hop-secret", b"upgrade: h2c"), client_lacks(b"proxy-authenticate")])

    # --- further public cases of the same classes
    add("A57", "P", "key only in the query string", c.req(ok + b"A57?api_key=" + c.key + b"&access_token=" + c.key, auth=False),
        ok="401", warn="2xx", checks=[])
    add("S52", "P", "Content-Length list '5, 6'", c.req(ok + b"S52", b"POST", b"Content-Length: 5, 6\r\n", b"hello!"), **BAD)
    add("S58", "P", "Content-Length: 005", c.req(ok + b"S58", b"POST", b"Content-Length: 005\r\n", b"hello"), ok="400 2xx",
        checks=[body_is(5)])
    te("T51", "P", "identity, chunked", b"Transfer-Encoding: identity, chunked\r\n", cl=False, ok="400 501", warn="2xx close")
    te("T57", "P", "quoted \"chunked\"", b"Transfer-Encoding: \"chunked\"\r\n")
    ch("C51", "P", "chunk size -5", b"-5\r\nhello\r\n0\r\n\r\n")
    ch("C52", "P", "space before the chunk size", b" 5\r\nhello\r\n0\r\n\r\n")
    ch("C59", "P", "empty chunk-size line", b"\r\n\r\n")
    add("M52", "P", "two equal Hosts", c.req(ok + b"M52", h=b"Host: " + c.host_b + CRLF), ok="400", warn="2xx")
    add("M55", "P", "OPTIONS *", c.req(b"*", b"OPTIONS"), ok="2xx 400 401 403 404 405 501")
    add("M56", "P", "GET *", c.req(b"*"), ok="400 403 404 405", checks=[not_forwarded])
    add("M57", "P", "HTTP/9.9", c.req(ok + b"M57", ver=b"HTTP/9.9"), ok="400 505", warn="close", close="should", checks=[not_forwarded])
    add("M61", "P", "DEL 0x7f in a value", c.req(ok + b"M61", h=b"X-A: a\x7fb\r\n"), ok="400", warn="2xx close")
    add("M66", "P", "Expect: unknown", c.req(ok + b"M66", b"POST", CL(b"hello") + b"Expect: magic\r\n", b"hello"), ok="417 2xx 400")
    s = c.smug("D55")
    add("D55", "P", "HEAD with a body that is a request", c.req(ok + b"D55", b"HEAD", CL(s), s), ok="2xx 400", methods=[b"HEAD"])
    add("U53", "P", "Upgrade without Connection: Upgrade", c.req(ok + b"U53", h=b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        ok="2xx 400 426", checks=[no_101])
    add("U54", "P", "websocket by POST", c.req(ok + b"U54", b"POST", WS + CL(b"")), ok="2xx 400 405 426", checks=[no_101])
    add("H55", "P", "Connection: Host, Authorization, Cookie",
        c.req(ok + b"H55", h=b"Connection: Host, Authorization, Cookie\r\nCookie: a=b\r\n"), ok="2xx 400 401", checks=[one_host, id_intact])
    add("H58", "P", "TE: trailers, and a Trailer header", c.req(ok + b"H58", h=b"TE: trailers, deflate\r\nConnection: TE\r\nTrailer: X-A\r\n"),
        ok="2xx 400", checks=[no_header(b"te", sev="WARN")])
    path("P52", "P", "double slash and dots", ok + b"/../" + d + b"/x")
    path("P58", "P", "/./ in front", b"/./" + d + b"/x")
    path("P61", "P", "forbidden segment + %2f", b"/" + d + b"%2fx")
    path("P68", "P", "trailing dot segment", b"/" + d + b"/.")
    path("P71", "P", "non-ASCII raw bytes in the target", ok + b"\xc3\xa9", "400", "2xx", [])
    up("R51", "P", "20 000 response headers", b"many-headers", "502", wait=5)
    up("R57", "P", "bare LF response", b"lf-only", "502 2xx")
    up("R61", "P", "2000 interim 103 answers", b"1xx-flood", "2xx 502", wait=3)
    up("R66", "P", "no status line at all", b"http09", "502")
    return L


def _gzip_same(x):
    for r in x.final:
        want = dict((k.lower(), v) for k, v in r.headers).get(b"x-body-sha", b"")
        enc = dict((k.lower(), v) for k, v in r.headers).get(b"content-encoding", b"")
        got = hashlib.sha256(r.body).hexdigest()[:16].encode()
        if want and got != want:
            return [("FAIL" if enc else "WARN", "body bytes changed (content-encoding %r)" % enc)]
    return []


# --------------------------------------------------------------------------- client side
class Resp:
    __slots__ = ("status", "line", "headers", "body", "complete")

    def __init__(self, status, line, headers, body, complete):
        self.status, self.line, self.headers, self.body, self.complete = status, line, headers, body, complete


def parse_responses(raw: bytes, methods: list[bytes], eof: bool):
    """-> (interim, final, rest): every response in the byte stream"""
    info, final, pos = [], [], 0
    while pos < len(raw):
        e = raw.find(b"\r\n\r\n", pos)
        m = re.match(rb"HTTP/1\.[01] (\d{3})", raw[pos:pos + 13])
        if not m or e < 0:
            break
        lines = raw[pos:e].split(b"\r\n")
        hs = [(n.strip(), v.strip()) for n, _, v in (ln.partition(b":") for ln in lines[1:])]
        hd = {n.lower(): v for n, v in hs}
        st, pos = int(m.group(1)), e + 4
        if 100 <= st < 200:
            info.append(Resp(st, lines[0], hs, b"", True))
            if st == 101:
                final.append(Resp(st, lines[0], hs, raw[pos:], True))
                return info, final, b""
            continue
        meth = methods[len(final)] if len(final) < len(methods) else b"GET"
        if meth == b"HEAD" or st in (204, 304):
            final.append(Resp(st, lines[0], hs, b"", True))
            continue
        if b"chunked" in hd.get(b"transfer-encoding", b"").lower():
            s, body, np = raworigin._chunked_strict(raw, pos)
            if s == "ok":
                final.append(Resp(st, lines[0], hs, body, True))
                pos = np
                continue
            final.append(Resp(st, lines[0], hs, raw[pos:], False))
            return info, final, b""
        if b"content-length" in hd and re.match(rb"^\d+$", hd[b"content-length"]):
            n = int(hd[b"content-length"])
            body = raw[pos:pos + n]
            final.append(Resp(st, lines[0], hs, body, len(body) == n))
            pos += n
            continue
        final.append(Resp(st, lines[0], hs, raw[pos:], eof))   # delimited by close
        return info, final, b""
    return info, final, raw[pos:]


def talk(cfg: Cfg, case: Case):
    """sends the parts, gathers what comes back; -> raw, closed, first_ms, sent_ok"""
    a = cfg.a
    s = socket.create_connection((a.host, a.port), timeout=5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buf, state, first = bytearray(), {"closed": ""}, [0.0]
    t0 = time.monotonic()
    lock = threading.Event()

    def reader():
        while True:
            try:
                d = s.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                state["closed"] = "rst"
                break
            except OSError:
                break
            if not d:
                state["closed"] = "fin"
                break
            if not buf:
                first[0] = (time.monotonic() - t0) * 1000
            buf.extend(d)
            if len(buf) > 80_000_000:
                break
        lock.set()

    s.settimeout(None)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
    th = threading.Thread(target=reader, daemon=True)
    th.start()
    sent = True
    for p in case.parts:
        if isinstance(p, float):
            if lock.wait(p):
                break
            continue
        try:
            s.sendall(p)
        except OSError:
            sent = False
            break
    if case.half:
        s.shutdown(socket.SHUT_WR)
    # wait: until closed; or quiet for --idle after the expected answers; or the deadline
    deadline = time.monotonic() + (case.wait or a.timeout)
    last, quiet = -1, time.monotonic()
    while not lock.is_set() and time.monotonic() < deadline:
        lock.wait(0.03)
        if len(buf) != last:
            last, quiet = len(buf), time.monotonic()
        if last > 0 and time.monotonic() - quiet > a.idle:
            _, fin, rest = parse_responses(bytes(buf), case.methods, False)
            full = fin and all(r.complete for r in fin)
            conn_close = fin and any(k.lower() == b"connection" and b"close" in v.lower() for r in fin for k, v in r.headers)
            if conn_close and time.monotonic() - quiet < 1.0:
                continue
            if (full and (len(fin) >= case.n or time.monotonic() - quiet > 2 * a.idle)) or time.monotonic() - quiet > 3 * a.idle + 0.5:
                if case.wait is None or len(fin) >= case.n:
                    break
    closed = state["closed"] or "open"
    if case.then and case.then[0] == "endless":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()
    th.join(1)
    return bytes(buf), closed, first[0] if buf else (time.monotonic() - t0) * 1000, sent


# --------------------------------------------------------------------------- origin side
class Tail:
    def __init__(self, path):
        self.path, self.pos, self.streams, self.reqs, self.sent = path, 0, {}, [], []
        self.lines = b""

    def read(self):
        if not self.path or not os.path.exists(self.path):
            return
        with open(self.path, "rb") as f:
            f.seek(self.pos)
            data = f.read()
            self.pos += len(data)
        self.lines += data
        *full, self.lines = self.lines.split(b"\n")
        for ln in full:
            try:
                r = json.loads(ln)
            except ValueError:
                continue
            if r["e"] == "data" and not r.get("ws"):       # tunnelled bytes are no requests
                self.streams.setdefault(r["c"], bytearray()).extend(r["d"].encode("latin-1"))
            elif r["e"] == "req":
                self.reqs.append((r["c"], r["i"], r["line"].encode("latin-1")))
            elif r["e"] == "sent":
                self.sent.append(r)


class Obs:
    pass


def status_ok(spec: str, what: str) -> bool:
    for s in spec.split():
        if s == "any" or s == what or (len(s) == 3 and s.endswith("xx") and what[:1] == s[0] and what.isdigit()):
            return True
    return False


def simple(cfg: Cfg, target: bytes, m=b"GET", key=None, h=b"", body=b"", timeout=5.0):
    """one clean request on a fresh connection -> (status, headers, body)"""
    buf = b""
    try:
        s = socket.create_connection((cfg.a.host, cfg.a.port), timeout=timeout)
        s.sendall(cfg.req(target, m, h + b"Connection: close\r\n", body, key=key))
        while d := s.recv(65536):
            buf += d
            fin = parse_responses(buf, [m], False)[1]
            if (fin and fin[0].complete) or len(buf) > 5_000_000:
                break
        s.close()
    except OSError as ex:
        return 0, [], str(ex).encode()
    _, fin, _ = parse_responses(buf, [m], True)
    return (fin[0].status, fin[0].headers, fin[0].body) if fin else (0, [], buf[:200])


class Canary:
    """a listener nobody should ever reach"""
    def __init__(self):
        self.s = socket.socket()
        self.s.bind(("127.0.0.1", 0))
        self.s.listen(16)
        self.port, self.hits = self.s.getsockname()[1], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                k, _ = self.s.accept()
            except OSError:
                return
            self.hits += 1
            k.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nCANARY")
            k.close()


def analyse(cfg, tail, marks, rmark):
    """the origin's view of what is new since the marks"""
    x = Obs()
    x.modes = {m: [] for m in raworigin.MODES}
    x.obytes, x.ambig, x.strict_bad, x.oreqs = b"", [], [], []
    for cid, st in tail.streams.items():
        new = bytes(st[marks.get(cid, 0):])
        if not new:
            continue
        x.obytes += new
        per = {m: raworigin.split_requests(new, m) for m in raworigin.MODES}
        for m in per:
            x.modes[m] += [r for r in per[m] if not r.get("bad")]
        x.strict_bad += [r["bad"] for r in per["strict"] if r.get("bad")]
        sig = {m: [r["start"] for r in per[m] if not r.get("bad")] for m in ("clwins", "tewins")}
        if sig["clwins"] != sig["tewins"] or any(r.get("bad") for r in per["tewins"]) != any(r.get("bad") for r in per["clwins"]):
            x.ambig.append("conn %s: CL-first origin sees %d request(s), TE-first %d" % (cid, len(sig["clwins"]), len(sig["tewins"])))
        good = [r for r in per["strict"] if not r.get("bad")]
        x.oreqs += good if len(good) == len(per["strict"]) else [r for r in per["tewins"] if not r.get("bad")]
    x.online = [r for r in tail.reqs[rmark:]]
    x.on = max([len(v) for v in x.modes.values()] + [len(x.online)])
    return x


def run_case(cfg, tail, can, case, base_headers):
    a = cfg.a
    tail.read()
    marks = {k: len(v) for k, v in tail.streams.items()}
    rmark, smark, hits = len(tail.reqs), len(tail.sent), can.hits if can else 0
    try:
        raw, closed, ms, _ = talk(cfg, case)
    except OSError as ex:
        return dict(id=case.id, tier=case.tier, title=case.title, verdict="FAIL", why=["cannot connect: %s" % ex],
                    status=[], n=0, closed="-", origin={}, ms=0)
    time.sleep(a.settle)
    tail.read()
    x = analyse(cfg, tail, marks, rmark)
    x.raw, x.closed, x.ms, x.base_headers = raw, closed, ms, base_headers
    x.info, x.final, rest = parse_responses(raw, case.methods, closed != "open")
    x.canary_hits = (can.hits - hits) if can else 0
    why: list[tuple[str, str]] = []
    # 1. statuses
    specs = case.ok.split("|")
    warns = case.warn.split("|") if case.warn else [""]
    what = [str(r.status) for r in x.final]
    if not what:
        what = ["close" if closed != "open" else "timeout"]
    for i, w in enumerate(what[:max(len(specs), 1)]):
        spec = specs[min(i, len(specs) - 1)]
        if not status_ok(spec, w):
            soft = status_ok(warns[min(i, len(warns) - 1)], w)
            why.append(("WARN" if soft else "FAIL", "answer %d is %s, wanted %s" % (i + 1, w, spec)))
    if rest and x.final and re.match(rb"HTTP/1", rest):
        why.append(("WARN", "a torso of another response follows"))
    # 2. counts
    if len(x.final) > case.n:
        why.append(("FAIL", "%d responses to %d request(s)" % (len(x.final), case.n)))
    if cfg.a.upstream_log:
        if x.on > case.omax:
            why.append(("FAIL", "origin saw %d request(s), at most %d allowed" % (x.on, case.omax)))
        canary = b"SMUG-" + case.id.encode()
        if any(canary in r["line"].split(b"?")[0] and b"%0d%0a" not in r["line"].lower() for m in x.modes.values() for r in m) \
                or any(canary in ln and b"%0d%0a" not in ln.lower() for _, _, ln in x.online):
            sev = "FAIL" if any(canary in ln for _, _, ln in x.online) or any(
                canary in r["line"] for r in x.modes["strict"]) or x.ambig else "WARN"
            why.append((sev, "the canary request reached the origin"))
        for t in x.ambig:
            why.append(("FAIL", "ambiguous forwarding: " + t))
        for t in x.strict_bad:
            why.append(("WARN", "forwarded bytes a strict origin refuses: " + t))
    # 3. connection
    if case.close and x.final and x.final[-1].status >= 400 and closed == "open":
        why.append(("FAIL" if case.close == "must" else "WARN", "connection kept open after the refusal"))
    elif case.close == "must" and closed == "open" and (not x.final or x.final[-1].status < 400) and not case.warn:
        why.append(("FAIL", "connection kept open"))
    # 4. leaks
    if cfg.key in raw and not any(cfg.key in r.body and b"raworigin" in b"".join(v for _, v in r.headers) for r in x.final):
        why.append(("FAIL", "the key is in the response"))
    if re.search(rb"Traceback \(most recent|File \"/|redis\.exceptions|sqlalchemy|aiohttp\.(client|web)_", raw):
        why.append(("FAIL", "internals are in the response"))
    # 5. its own checks
    for f in case.checks:
        why += f(cfg, x)
    # 6. after-effects
    if case.then:
        why += after(cfg, tail, case, x, smark)
    for i in range(case.victim if a.victims else 0):
        nonce = b"victim-%s-%d-%d" % (case.id.encode(), i, time.time_ns() % 10**9)
        st, hd, body = simple(cfg, cfg.ok + nonce)
        if st == 429:
            why.append(("WARN", "victim was rate-limited: raise the limits for this run"))
        elif st != 200 or (cfg.a.upstream_log and nonce not in body):
            why.append(("FAIL", "victim %d got %s %r instead of its own answer" % (i + 1, st, body[:60])))
            break
    sev = [s for s, _ in why]
    verdict = "FAIL" if "FAIL" in sev else "WARN" if "WARN" in sev else "PASS"
    return dict(id=case.id, tier=case.tier, title=case.title, verdict=verdict,
                why=["%s: %s" % w for w in why], status=[r.line.decode("latin-1")[:60] for r in x.info[:3] + x.final][:6],
                n=len(x.final), closed=closed, ms=round(ms),
                origin=dict(strict=len(x.modes["strict"]), clwins=len(x.modes["clwins"]), tewins=len(x.modes["tewins"]),
                            online=len(x.online), targets=[r["target"].decode("latin-1")[:80] for r in x.oreqs][:4]))


def after(cfg, tail, case, x, smark):
    kind, arg = case.then
    if kind == "cookie":
        tail.read()
        marks = {k: len(v) for k, v in tail.streams.items()}
        for key in (cfg.key2, cfg.key):
            simple(cfg, cfg.ok + b"cookie-check", key=key)
        time.sleep(cfg.a.settle)
        tail.read()
        new = b"".join(bytes(st[marks.get(k, 0):]) for k, st in tail.streams.items())
        return [("FAIL", "the upstream's cookie was replayed for another caller")] if arg in new else []
    if kind == "after-drop":
        nonce = b"once-%s-%d" % (case.id.encode(), time.time_ns())
        st, _, _ = simple(cfg, cfg.ok + nonce, m=arg, h=CL(b"hello") if arg == b"POST" else b"", body=b"hello" if arg == b"POST" else b"")
        time.sleep(cfg.a.settle)
        tail.read()
        times = sum(nonce in ln for _, _, ln in tail.reqs)
        out = []
        if arg == b"POST" and times > 1:
            out.append(("FAIL", "POST was delivered %d times" % times))
        if arg == b"GET" and st not in (200, 502, 503):
            out.append(("FAIL", "GET after a dropped connection: %s" % st))
        if arg == b"GET" and st != 200:
            out.append(("WARN", "GET on a stale pooled connection was not retried: %s" % st))
        return out
    if kind == "endless":
        t0 = time.monotonic()
        while time.monotonic() - t0 < 3:
            tail.read()
            if len(tail.sent) > smark:
                return []
            time.sleep(0.1)
        return [("FAIL", "the proxy still reads the endless upstream 3 s after the client left")]
    return []


# --------------------------------------------------------------------------- main
def show(case: Case, cfg: Cfg) -> str:
    b = b"".join(p if isinstance(p, bytes) else b"<pause %.1fs>" % p for p in case.parts)
    b = b.replace(cfg.key, b"KEY") if len(cfg.key) > 5 else b
    t = b.decode("latin-1").encode("unicode_escape").decode()
    t = re.sub(r"(.)\1{60,}", lambda m: m.group(1) + "*%d" % len(m.group(0)), t)
    if len(t) > 330:
        t = t[:240] + " ...(%d bytes)... " % len(b) + t[-60:]
    return t.replace("|", "\\|").replace("`", "'")


def expect(case: Case) -> str:
    t = "answer %s" % case.ok.replace("|", " then ")
    if case.warn:
        t += " (tolerated: %s)" % case.warn.replace("|", " then ")
    t += "; %d response%s at most; origin at most %d" % (case.n, "" if case.n == 1 else "s", case.omax)
    if case.close == "must":
        t += "; connection closed"
    say = {"body_is": "body whole at the origin", "not_forwarded": "not forwarded", "no_deny": "no reading of the forwarded path lies under the forbidden prefix",
           "no_value": "spoofed value never at the origin", "id_intact": "the proxy's own identity headers intact and single",
           "no_header": "those headers not forwarded", "faster": "answered in time", "no_101": "no 101",
           "client_lacks": "foreign bytes not in the answer", "incomplete": "a torso is never shown as a whole answer",
           "canary_untouched": "no connection to the host the client chose", "one_host": "one Host at the origin",
           "target_is": "target byte for byte", "in_order": "answers in order", "xff_honest": "true peer last in X-Forwarded-For"}
    names = [say.get(getattr(f, "__qualname__", "").split(".")[0], "") for f in case.checks]
    if any(names):
        t += "; " + "; ".join(n for n in names if n)
    return (case.must + "; " if case.must else "") + t


def arguments() -> argparse.ArgumentParser:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, default=8080)
    ap.add_argument("--key", default="KEY")
    ap.add_argument("--key2", help="a second valid key (other owner)")
    ap.add_argument("--upstream-log", help="the log that raworigin.py writes")
    ap.add_argument("--auth-header", default="Authorization: Bearer {key}")
    ap.add_argument("--host-header")
    ap.add_argument("--ok-path", default="/pub/")
    ap.add_argument("--deny-path", default="/adm/")
    ap.add_argument("--open-path", help="a path that needs no key (health), if there is one")
    ap.add_argument("--origin-ok", help="what --ok-path is called at the origin, if rewritten")
    ap.add_argument("--origin-deny")
    ap.add_argument("--id-header", action="append", default=[], help="identity header the proxy sets (repeatable)")
    ap.add_argument("--only", help="comma list of ids or groups: S,T01")
    ap.add_argument("--slow", action="store_true", help="also the slow-client cases (minutes)")
    ap.add_argument("--timeout", type=float, default=4.0)
    ap.add_argument("--idle", type=float, default=0.25)
    ap.add_argument("--settle", type=float, default=0.12)
    ap.add_argument("--no-victims", dest="victims", action="store_false")
    ap.add_argument("--json", help="write the results here")
    ap.add_argument("--verbose", action="store_true")
    ap.add_argument("--md", action="store_true", help="print the cases as a table and exit")
    ap.add_argument("--allow-remote", action="store_true")
    return ap


def case_ids() -> list[str]:
    """every case that needs no minutes of patience, by name"""
    cfg = Cfg(arguments().parse_args([]))
    cfg.canary = 19099
    return [k.id for k in public_cases(cfg) if not k.slow]


class Stage:
    """one proxy and one origin, kept for many cases (as pytest runs them)"""

    def __init__(self, argv: list[str]):
        self.cfg = Cfg(arguments().parse_args(argv))
        self.canary = Canary()
        self.cfg.canary = self.canary.port
        self.tail = Tail(self.cfg.a.upstream_log)
        self.cases = {k.id: k for k in public_cases(self.cfg)}
        status, _, body = simple(self.cfg, self.cfg.ok + b"baseline")
        if status != 200:
            raise RuntimeError("the proxy answers %d to a clean request: %r" % (status, body[:200]))
        self.base_headers = {h[0].lower().encode("latin-1") for h in json.loads(body)["headers"]}

    def run(self, case_id: str) -> dict:
        return run_case(self.cfg, self.tail, self.canary, self.cases[case_id], self.base_headers)


def main() -> int:
    a = arguments().parse_args()
    if not a.allow_remote and not (a.host.startswith("127.") or a.host in ("localhost", "::1")):
        print("loopback only", file=sys.stderr)
        return 2
    cfg = Cfg(a)
    can = None if a.md else Canary()
    cfg.canary = can.port if can else 19099
    cases = public_cases(cfg)
    if a.only:
        want = a.only.split(",")
        cases = [k for k in cases if k.id in want or k.id.rstrip("0123456789") in want]
    if not a.slow and not a.md:
        cases = [k for k in cases if not k.slow]
    if a.md:
        for k in cases:
            print("| %s | %s | `%s` | %s |" % (k.id, k.title, show(k, cfg), expect(k)))
        return 0
    tail = Tail(a.upstream_log)
    tail.read()
    # baseline: is it up, and which headers does the proxy add?
    st, _, body = simple(cfg, cfg.ok + b"baseline")
    print("baseline: %s" % st)
    if st != 200:
        print("the proxy does not answer 200 to a clean request on %s: %r" % (a.ok_path, body[:200]))
        return 2
    try:
        base_headers = {h[0].lower().encode("latin-1") for h in json.loads(body)["headers"]}
        print("origin sees headers:", ", ".join(sorted(h.decode() for h in base_headers)))
    except (ValueError, KeyError):
        base_headers = set()
    res, t0 = [], time.time()
    for k in cases:
        r = run_case(cfg, tail, can, k, base_headers)
        res.append(r)
        o = r["origin"]
        print("%-4s %-4s %s  %-46.46s resp=%d [%s] conn=%s origin=%s %s" % (
            r["verdict"], r["id"], r["tier"], r["title"], r["n"], "; ".join(s.replace("HTTP/1.1 ", "") for s in r["status"]),
            r["closed"], "%d/%d/%d" % (o.get("strict", 0), o.get("clwins", 0), o.get("tewins", 0)), "%d ms" % r["ms"]), flush=True)
        for w in r["why"]:
            print("         -", w)
        if a.verbose and o.get("targets"):
            print("         origin:", o["targets"])
    for tier in ("P", "H"):
        rs = [r for r in res if r["tier"] == tier]
        if rs:
            print("tier %s: %d cases: %d PASS, %d WARN, %d FAIL" % (tier, len(rs), *(sum(r["verdict"] == v for r in rs) for v in ("PASS", "WARN", "FAIL"))))
    print("%.0f s; FAIL: %s" % (time.time() - t0, " ".join(r["id"] for r in res if r["verdict"] == "FAIL") or "none"))
    if a.json:
        json.dump(res, open(a.json, "w"), indent=1)
    return 1 if any(r["verdict"] == "FAIL" for r in res) else 0


if __name__ == "__main__":
    sys.exit(main())
