"""Gatehouse verifier for Python 3.11 and later: checks access tokens in this process, hears of sign-outs in moments.

One file, yours to keep and to change. It needs PyJWT 2 with cryptography (Debian: python3-jwt, python3-cryptography).

    gate = Gatehouse("https://id.example.com", "orders")  # GATEHOUSE_CLIENT_SECRET is in the environment
    claims = gate.authenticate(request.headers)           # or gate.verify(token); raises Refused
"""
import base64
import json
import os
import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from threading import Event, Thread
from time import monotonic, sleep, time
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt

SKEW, SLACK = 30, 900  # s by which two clocks may differ, and by which one may jump
LONGEST_LIFE, LONGEST_TOKEN = 3600, 8192  # s that a token of ours may live, and its characters
SILENCE = 12  # s without data after which the feed's connection is opened anew
PATIENCE = 5  # s for any other request to Gatehouse, and that the first tokens wait for the feed's snapshot
KEYS_AGE = 300  # s after which the keys are fetched again in the background
KEYS_PAUSE = 30  # s between two fetches that unknown key ids in tokens may cause
NEVER, ALWAYS = float("-inf"), float("inf")


@dataclass
class Refused(Exception):
    """Why a token isn't good: one of a few fixed words, fit for a metric's label; it never quotes the token."""

    reason: str


class Unmoved(HTTPRedirectHandler):
    def redirect_request(self, *_):
        """A redirect is an error: nobody elsewhere is shown our credentials."""


@dataclass(eq=False, repr=False)
class Gatehouse:
    """Follows one Gatehouse for one service; make one per process, after forking. Call it from any thread."""

    issuer: str  # Gatehouse's public address: the `iss` of its tokens, exactly
    audience: str  # the `aud` that tokens for this service bear
    _: KW_ONLY
    url: str = None  # where Gatehouse is reached from here; by default the issuer
    client_id: str = None  # this service's id; by default GATEHOUSE_CLIENT_ID or else the audience
    client_secret: str = None  # by default GATEHOUSE_CLIENT_SECRET
    when_stale: str = "introspect"  # what happens past `stale_after`: "introspect" (RFC 7662), "refuse" or "accept"
    stale_after: float = 15  # s since the feed's last word, above 0; below 6 the heartbeat itself looks late
    instance: str = None  # this process among its replicas, 1 to 64 of A-Za-z0-9_.-; by default host name and process
    cookie: str = "session"  # name of the session cookie
    now: callable = time  # s since 1970

    def __post_init__(self):
        client_id = self.client_id or os.environ.get("GATEHOUSE_CLIENT_ID") or self.audience
        client_secret = self.client_secret or os.environ.get("GATEHOUSE_CLIENT_SECRET")
        if not self.issuer or not self.audience or not client_secret:
            raise ValueError("Gatehouse needs issuer, audience and client_secret.")
        if self.when_stale not in ("introspect", "refuse", "accept") or not self.stale_after > 0:
            raise ValueError("Gatehouse: when_stale or stale_after is out of bounds.")
        credentials = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"  # RFC 6749 section 2.3.1
        self._basic = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
        self._instance = self.instance or re.sub("[^A-Za-z0-9_.-]", "-", f"{socket.gethostname()}-{os.getpid()}")[-64:]
        self._keys, self._keys_at, self._miss_at = {}, NEVER, NEVER
        self._revoked = {}  # (who, id) -> refuses tokens issued up to the first time, held until the second
        self._opener = build_opener(Unmoved)
        self._ready, self._began, self._fresh_at = Event(), monotonic(), NEVER
        self._acknowledged, self._closed = None, False
        self._stats = {"connected": False, "cursor": None, "introspections": 0, "lastError": None, "refusals": {}}
        self._errands = ThreadPoolExecutor(1)  # for what must not hold up the feed, one at a time
        Thread(target=self._follow, name="gatehouse", daemon=True).start()

    def authenticate(self, headers):
        """The claims of the caller with these headers, a mapping or a list of pairs; raises Refused."""
        return self.verify(self._read_credentials(headers))

    def verify(self, token):
        """The token's claims; raises Refused."""
        kid, claims = self._read_token(token)
        self._ready.wait(max(0, self._began + PATIENCE - monotonic()))
        key = self._find_key(kid)
        with self._refusing("signature"):
            jwt.api_jws.decode(token, key, algorithms=["ES256"])
        for who, id in (("key", kid), ("session", claims["sid"]), ("user", claims["sub"])):
            self._refuse(f"{who}_revoked", when=claims["iat"] <= self._revoked.get((who, id), (NEVER,))[0])
        if monotonic() - self._fresh_at <= self.stale_after or self.when_stale == "accept":
            return claims
        self._refuse("stale", when=self.when_stale == "refuse")
        self._stats["introspections"] += 1  # the answer is for this request alone
        with self._refusing("introspection_failed"):
            answer = json.load(self._ask("/connect/introspect", urlencode({"token": token}).encode()))
        self._refuse("inactive", when=answer.get("active") is not True)
        return claims

    def stats(self):
        age = monotonic() - self._fresh_at if self._ready.is_set() else None
        return json.loads(json.dumps({**self._stats, "feedAgeSeconds": age, "revocationsHeld": len(self._revoked)}))

    def close(self):
        self._closed = True

    def _refuse(self, reason, when=True):
        if when:
            self._stats["refusals"][reason] = self._stats["refusals"].get(reason, 0) + 1
            raise Refused(reason)

    @contextmanager
    def _refusing(self, reason):
        try:
            yield
        except (OSError, ValueError, RecursionError, jwt.PyJWTError):
            self._refuse(reason)

    def _find_key(self, kid):
        if kid not in self._keys:
            self._errands.submit(self._fetch_keys, kid).result()
        self._refuse("unknown_key", when=kid not in self._keys)
        return self._keys[kid]

    def _fetch_keys(self, missing=None):
        """Takes all that are published, so that the next one is here before its first use."""
        if missing in self._keys or (missing and monotonic() - self._miss_at <= KEYS_PAUSE):
            return
        self._miss_at = monotonic() if missing else self._miss_at
        try:
            with self._ask("/.well-known/jwks.json", **{"Cache-Control": "no-cache"}) as response:
                usable = [jwk for jwk in json.load(response)["keys"] if jwk.get("crv") == "P-256"]
            self._keys = {jwk["kid"]: jwt.PyJWK(jwk, "ES256").key for jwk in usable}
        except (OSError, ValueError, KeyError, jwt.PyJWTError) as error:
            self._keys_at, self._stats["lastError"] = NEVER, str(error)

    def _follow(self):
        """The feed: a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s."""
        pause = 0.1
        while not self._closed:
            try:
                resume = {"Last-Event-ID": str(self._stats["cursor"])} if self._ready.is_set() else {}
                with self._ask(f"/events?instance={self._instance}", wait=SILENCE, **resume) as stream:
                    for line in stream:
                        if line.startswith(b"data:"):
                            self._receive(json.loads(line[5:]))
                            pause = 0.1
            except Exception as error:  # whatever it is, the feed is opened anew
                self._stats["lastError"] = str(error)
            self._stats["connected"] = False
            sleep(pause * random.uniform(0.5, 1))
            pause = min(2, 2 * pause)

    def _receive(self, message):
        """A snapshot has `events`, an event has a `type`, a heartbeat has neither; what is held is never forgiven."""
        for entry in message.get("events", [message]):
            self._apply(**entry)
        if "type" not in message:  # nothing is missing up to here
            self._fresh_at, gone = monotonic(), self.now() - SLACK
            self._revoked = {who: held for who, held in self._revoked.items() if held[1] >= gone}
        self._stats.update(connected=True, cursor=message["cursor"])
        self._errands.submit(self._acknowledge)
        if monotonic() - self._keys_at > KEYS_AGE:
            self._keys_at = monotonic()
            self._errands.submit(self._fetch_keys)
        self._ready.set()

    def _apply(self, type=None, sub=None, sid=None, kid=None, reason=None, notBefore=NEVER, expires=ALWAYS, **_):
        if type == "signing-key-changed":
            self._keys_at = NEVER
        if kid and reason == "revoked":
            self._revoked["key", kid] = (ALWAYS, expires)
        elif sid:
            self._revoked["session", sid] = (ALWAYS, expires)
        elif sub and notBefore >= self._revoked.get(("user", sub), (NEVER,))[0]:
            self._revoked["user", sub] = (notBefore, expires)

    def _acknowledge(self):
        cursor = self._stats["cursor"]  # the newest, whatever it was when this was asked for
        if cursor != self._acknowledged:
            body = json.dumps({"cursor": cursor, "instance": self._instance}).encode()
            self._ask("/events/ack", body, **{"Content-Type": "application/json"}).close()
            self._acknowledged = cursor

    def _ask(self, path, body=None, wait=PATIENCE, **headers):
        request = Request((self.url or self.issuer) + path, body, {**self._basic, **headers})
        return self._opener.open(request, timeout=wait)

    def _read_credentials(self, headers):
        """The bearer token, which decides alone (RFC 6750 section 2.1), else the cookie's: base64 of {"jwt": "..."}."""
        given = list(headers.items() if hasattr(headers, "items") else headers)
        authorization = ",".join(value for name, value in given if name.lower() == "authorization")
        if "bearer" in authorization.lower():
            return authorization[7:] if authorization[:7].lower() == "bearer " else None
        cookies = ";".join(value for name, value in given if name.lower() == "cookie")
        pairs = [pair.strip().partition("=") for pair in re.split("[;,]", cookies)]
        values = {value for name, _, value in pairs if name == self.cookie}
        self._refuse("missing", when=not values)
        self._refuse("malformed", when=len(values) > 1)  # a sign of tampering
        with self._refusing("malformed"):
            return self._read_object(base64.b64decode(values.pop(), validate=True)).get("jwt")

    def _read_token(self, token):
        """The strict form: RFC 7515 section 3.1, RFC 8725 sections 2.6, 3.1, 3.10, 3.11, RFC 9068 section 2."""
        self._refuse("malformed", when=not isinstance(token, str) or len(token) > LONGEST_TOKEN)
        with self._refusing("malformed"):
            header, claims, _ = parts = [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]
            header, claims = self._read_object(header), self._read_object(claims)
        spelling = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        self._refuse("malformed", when=spelling.decode() != token)  # one token has one spelling
        kid, typed = header.get("kid"), (header.get("alg"), header.get("typ")) == ("ES256", "at+jwt")
        self._refuse("header", when=not typed or not isinstance(kid, str) or "crit" in header)
        aud, sub, sid, iat, exp = (claims.get(name) for name in ("aud", "sub", "sid", "iat", "exp"))
        nbf = claims.get("nbf", iat)
        self._refuse("issuer", when=claims.get("iss") != self.issuer)
        self._refuse("audience", when=self.audience not in (aud if isinstance(aud, list) else [aud]))
        self._refuse("claims", when=[type(value) for value in (sub, sid, iat, exp, nbf)] != [str, str, int, int, int])
        self._refuse("claims", when=not sub or claims.get("id") != sub)
        self._refuse("expired", when=exp + SKEW <= self.now())
        self._refuse("not_yet_valid", when=max(iat, nbf) - SKEW > self.now())
        self._refuse("claims", when=exp <= max(iat, nbf) or exp - iat > LONGEST_LIFE)
        return kid, claims

    def _read_object(self, utf8):
        value = json.loads(utf8.decode(), object_pairs_hook=self._once)
        self._refuse("malformed", when=not isinstance(value, dict))
        return value

    def _once(self, pairs):
        self._refuse("malformed", when=len(dict(pairs)) != len(pairs))  # json.loads alone keeps the last of the two
        return dict(pairs)
