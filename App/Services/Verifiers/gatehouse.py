"""Gatehouse verifier for Python 3.11 and later: checks access tokens in this process and learns of sign-outs within milliseconds.

One file, yours to keep and to change. It needs PyJWT 2 with cryptography (Debian: python3-jwt, python3-cryptography).

    gate = Gatehouse(issuer="https://id.example.com", audience="orders")   # GATEHOUSE_CLIENT_SECRET is in the environment
    claims = gate.authenticate(request.headers)                            # or gate.verify(token); raises Refused

Public keys come from /.well-known/jwks.json. One connection to /events (server-sent events) brings every revocation in force,
then each new one, and a heartbeat every 5 s. No token is accepted before that first snapshot.
"""
import base64
import json
import math
import os
import random
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter

import jwt

SKEW = 30             # s by which two clocks may differ
LONGEST_LIFE = 3600   # s that a token of ours may live
LONGEST_TOKEN = 8192  # characters
DEEPEST = 8           # levels of JSON in a token
START_WITHIN = 5      # s that the first tokens wait for the snapshot; past that the feed counts as stale
SILENCE = 12          # s without data after which the feed's connection is opened anew
ANSWER_WITHIN = 5     # s for any other request to Gatehouse
KEYS_AGE = 300        # s after which the keys are fetched again in the background
KEYS_PAUSE = 30       # s between two fetches that unknown key ids in tokens may cause


class Refused(Exception):
    """Why a token isn't good: `reason` is one of a few fixed words, fit for a metric's label; it never quotes the token."""

    def __init__(self, reason):
        super().__init__(f"token refused: {reason}")
        self.reason = reason


class Gatehouse:
    """Follows one Gatehouse for one service; make one per process, after forking. All methods may be called from any thread.

    issuer         Gatehouse's public address: the `iss` of its tokens, exactly
    audience       the `aud` that tokens for this service bear
    url            where Gatehouse is reached from here, by default the issuer
    client_id      this service's id, by default GATEHOUSE_CLIENT_ID or else the audience
    client_secret  its secret, by default GATEHOUSE_CLIENT_SECRET
    when_stale     while the feed is older than `stale_after`: "introspect" (ask Gatehouse about each token, RFC 7662; the
                   default), "refuse" every token, or "accept" on local checks alone
    stale_after    seconds, above 0, by default 15; below 6 the five-second heartbeat itself looks late
    instance       this process among its replicas, by default host name and process id
    cookie         name of the session cookie
    now            seconds since 1970
    """

    def __init__(self, issuer, audience, *, url=None, client_id=None, client_secret=None, when_stale="introspect",
                 stale_after=15.0, instance=None, cookie="session", now=time.time):
        client_id = client_id or os.environ.get("GATEHOUSE_CLIENT_ID") or audience
        client_secret = client_secret or os.environ.get("GATEHOUSE_CLIENT_SECRET")
        if not issuer or not audience or not client_secret:
            raise ValueError("Gatehouse needs issuer, audience and client_secret.")
        if when_stale not in ("introspect", "refuse", "accept") or not stale_after > 0:
            raise ValueError("Gatehouse: when_stale or stale_after is out of bounds.")
        self._issuer, self._audience, self._url, self._cookie, self._now = issuer, audience, url or issuer, cookie, now
        self._when_stale, self._stale_after = when_stale, stale_after
        self._instance = re.sub(r"[^A-Za-z0-9_.-]", "-", instance or f"{socket.gethostname()}-{os.getpid()}")[-64:]
        pair = ":".join(urllib.parse.quote(part, safe="") for part in (client_id, client_secret))  # RFC 6749 section 2.3.1
        self._basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        self._keys, self._fetching, self._keys_at, self._miss_at = {}, threading.Lock(), -math.inf, -math.inf
        self._revoked, self._lock = {}, threading.Lock()  # (name, id) -> (not before, expires)
        self._cursor = self._acked = self._last_error = self._stream = None
        self._fresh_at, self._connected, self._closed = -math.inf, False, False
        self._ready, self._wake, self._keys_wanted = threading.Event(), threading.Event(), True
        self._refusals, self._introspections = Counter(), 0
        for work in (self._follow, self._run_errands):
            threading.Thread(target=work, name=f"gatehouse{work.__name__}", daemon=True).start()

    def authenticate(self, headers):
        """The claims of the caller with these headers (a mapping or a list of pairs); raises Refused.

        A bearer token decides alone where there is one (RFC 6750 section 2.1), else the cookie: base64 of {"jwt": "..."}.
        """
        given = {}
        for name, value in headers.items() if hasattr(headers, "items") else headers:
            given[name.lower()] = f"{given[name.lower()]},{value}" if name.lower() in given else value
        return self._count(lambda: self._check(self._read_credentials(given.get("authorization", ""), given.get("cookie", ""))))

    def verify(self, token):
        """The token's claims; raises Refused."""
        return self._count(lambda: self._check(token))

    def stats(self):
        return {"connected": self._connected, "cursor": self._cursor, "feedAgeSeconds": None if self._cursor is None else self._age(),
                "revocationsHeld": len(self._revoked), "refusals": dict(self._refusals), "introspections": self._introspections,
                "lastError": self._last_error}

    def close(self):
        self._closed = True
        self._wake.set()

    # The decision.

    def _count(self, decide):
        try:
            return decide()
        except Refused as refused:
            with self._lock:
                self._refusals[refused.reason] += 1
            raise

    def _check(self, token):
        kid, claims = _read_token(token, self._issuer, self._audience, self._now())
        self._ready.wait(START_WITHIN)
        try:
            jwt.api_jws.decode(token, self._find_key(kid), algorithms=["ES256"])
        except jwt.PyJWTError:
            raise Refused("signature") from None
        for name, member, value in (("key", "kid", kid), ("session", "sid", claims["sid"]), ("user", "sub", claims["sub"])):
            if claims["iat"] <= self._revoked.get((member, value), (-1, 0))[0]:
                raise Refused(f"{name}_revoked")
        if self._age() <= self._stale_after or self._when_stale == "accept":
            return claims
        if self._when_stale == "refuse":
            raise Refused("stale")
        self._introspections += 1  # the answer is for this request alone
        try:
            with self._ask("/connect/introspect", self._basic, urllib.parse.urlencode({"token": token}).encode()) as response:
                active = json.load(response).get("active") is True
        except (OSError, ValueError):
            raise Refused("introspection_failed") from None
        return claims if active else _refuse("inactive")

    def _read_credentials(self, authorization, cookies):
        if "bearer" in authorization.lower():
            return authorization[7:] if authorization[:7].lower() == "bearer " else None
        pairs = [pair.strip().partition("=") for pair in re.split("[;,]", cookies)]
        values = {value for name, _, value in pairs if name == self._cookie}
        if not values:
            raise Refused("missing")
        try:
            (value,) = values  # two different values are a sign of tampering
            return _read_object(base64.b64decode(value, validate=True)).get("jwt")
        except ValueError:
            raise Refused("malformed") from None

    # Keys. All that are published are taken, so that the next one is here before its first use.

    def _find_key(self, kid):
        if kid not in self._keys:
            with self._fetching:  # whoever comes while one fetch is under way shares it
                if kid not in self._keys and time.monotonic() - self._miss_at > KEYS_PAUSE:
                    self._miss_at = time.monotonic()
                    self._fetch_keys()
        return self._keys.get(kid) or _refuse("unknown_key")

    def _fetch_keys(self):
        try:
            with self._ask("/.well-known/jwks.json", {"Cache-Control": "no-cache"}) as response:
                published = json.load(response)["keys"]
            self._keys = {jwk["kid"]: jwt.PyJWK(jwk, "ES256").key for jwk in published if jwk.get("crv") == "P-256" and "kid" in jwk}
            self._keys_at = time.monotonic()
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            self._last_error = str(error)

    # The feed. An entry refuses tokens issued at or before its `notBefore`, and is held until the last of them has expired.

    def _follow(self):
        failures = 0
        while not self._closed:
            try:
                resume = {} if self._cursor is None else {"Last-Event-ID": str(self._cursor)}
                with self._ask(f"/events?instance={self._instance}", {**self._basic, **resume, "Accept": "text/event-stream"}, wait=SILENCE) as stream:
                    for line in stream:
                        if self._closed:
                            return
                        if line.startswith(b"data:"):
                            self._receive(json.loads(line[5:]))
                            failures, self._connected = 0, True
            except (OSError, ValueError, KeyError) as error:
                self._last_error = str(error)
            self._connected = False
            time.sleep(min(2, 0.1 * 2 ** min(failures, 9)) * random.uniform(0.5, 1))
            failures += 1

    def _receive(self, message):
        if "type" in message:
            self._apply(message)
        else:  # a snapshot or a heartbeat: nothing is missing up to here, and what is held is never forgiven
            for entry in message.get("events", ()):
                self._apply(entry)
            self._fresh_at, long_ago = time.monotonic(), self._now() - SKEW
            for held in [held for held, (_, expires) in self._revoked.items() if expires < long_ago]:
                del self._revoked[held]
            self._keys_wanted |= self._fresh_at - self._keys_at > KEYS_AGE
        self._cursor = message["cursor"]
        self._ready.set()
        self._wake.set()

    def _apply(self, entry):
        sub, sid, expires = entry.get("sub"), entry.get("sid"), entry.get("expires", math.inf)
        if entry["type"] == "signing-key-changed":
            self._keys_wanted = True
            if entry.get("reason") == "revoked":
                self._revoked["kid", entry["kid"]] = (math.inf, expires)
        elif sid:
            self._revoked["sid", sid] = (math.inf, expires)
        elif sub and entry.get("notBefore", -1) >= self._revoked.get(("sub", sub), (-1, 0))[0]:
            self._revoked["sub", sub] = (entry.get("notBefore", -1), expires)

    def _run_errands(self):
        """Acknowledges the newest cursor and fetches keys, in nobody's way; what fails is tried again at the next heartbeat."""
        while not self._closed:
            try:
                if (reached := self._cursor) != self._acked:
                    body = json.dumps({"cursor": reached, "instance": self._instance}).encode()
                    self._ask("/events/ack", {**self._basic, "Content-Type": "application/json"}, body).close()
                    self._acked = reached
            except OSError as error:
                self._last_error = str(error)
            if self._keys_wanted:
                self._keys_wanted = False
                with self._fetching:
                    self._fetch_keys()
            self._wake.wait()
            self._wake.clear()

    def _ask(self, path, headers, body=None, wait=ANSWER_WITHIN):
        return urllib.request.urlopen(urllib.request.Request(self._url + path, body, headers), timeout=wait)

    def _age(self):
        return time.monotonic() - self._fresh_at


def _refuse(reason):
    raise Refused(reason)


def _read_token(token, issuer, audience, now):
    """The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2. No key is involved yet."""
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN or not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}", token):
        raise Refused("malformed")
    try:
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
        if ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) != token:
            raise Refused("malformed")  # one token has one spelling
        header, claims = _read_object(parts[0]), _read_object(parts[1])
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    if header.get("alg") != "ES256" or header.get("typ") != "at+jwt" or not isinstance(header.get("kid"), str) or header.keys() & {"crit", "b64", "zip"}:
        raise Refused("header")
    if len(parts[2]) != 64:  # R and S of P-256, RFC 7518 section 3.4
        raise Refused("signature")
    aud, sub, sid, iat, exp = (claims.get(name) for name in ("aud", "sub", "sid", "iat", "exp"))
    if claims.get("iss") != issuer:
        raise Refused("issuer")
    if aud != audience and not (isinstance(aud, list) and audience in aud):
        raise Refused("audience")
    times = (iat, exp, claims.get("nbf", iat))
    if not (isinstance(sub, str) and sub and claims.get("id") == sub and isinstance(sid, str)) or any(type(value) is not int for value in times):
        raise Refused("claims")
    if exp + SKEW <= now:
        raise Refused("expired")
    if max(iat, times[2]) - SKEW > now:
        raise Refused("not_yet_valid")
    if exp <= max(iat, times[2]) or exp - iat > LONGEST_LIFE:
        raise Refused("claims")
    return header["kid"], claims


def _read_object(utf8):
    """One JSON object in UTF-8 in which no member is named twice, at any depth, and no number is NaN; else ValueError."""

    def unique(pairs):
        if len(members := dict(pairs)) != len(pairs):
            raise ValueError("member named twice")
        return members

    value = json.loads(utf8.decode("utf-8"), object_pairs_hook=unique, parse_constant=float.fromhex)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value
