"""Gatehouse verifier for Python 3.11 and later: checks access tokens in this process, hears of sign-outs in moments.

One file, yours to keep and to change. It needs PyJWT 2 with cryptography (Debian: python3-jwt, python3-cryptography).

    gate = Gatehouse("https://id.example.com", "orders")  # GATEHOUSE_CLIENT_SECRET is in the environment
    claims = gate.authenticate(environ)  # WSGI; or the headers of any framework; or gate.verify(token); raises Refused
    claims = await asyncio.to_thread(gate.authenticate, scope["headers"])  # ASGI: now and then it waits for an answer
"""
import atexit
import base64
import json
import os
import re
import socket
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from threading import Event, Lock, Thread
from time import monotonic, time
from urllib import parse, request

import jwt

SKEW, SLACK = 30, 900  # s by which two clocks may differ, and by which one may jump
LONGEST_LIFE, LONGEST_TOKEN = 3600, 8192  # s that a token of ours may live, and its characters
QUIET, PATIENCE = 12, 5  # s without data before the feed is opened anew; for any answer, and for the first snapshot
KEYS_AGE, KEYS_PAUSE = 300, 30  # s after which keys are fetched again, and between two fetches for unknown key ids
NEVER, ALWAYS = float("-inf"), float("inf")


class Refused(Exception):
    """Why a token isn't good: `reason` is one of a few fixed words, fit for a metric's label; it quotes no token."""
    reason = property(lambda self: self.args[0])


@dataclass(eq=False, repr=False)
class Gatehouse:
    """Follows one Gatehouse for one service; make one per process, after forking. Call it from any thread."""
    issuer: str  # Gatehouse's public address: the `iss` of its tokens, exactly
    audience: str  # the `aud` that tokens for this service bear
    _: KW_ONLY
    url: str = None  # where Gatehouse is reached from here; by default the issuer
    client_id: str = field(default_factory=lambda: os.environ.get("GATEHOUSE_CLIENT_ID"))  # or else the audience
    client_secret: str = field(default_factory=lambda: os.environ.get("GATEHOUSE_CLIENT_SECRET"))
    when_stale: str = "introspect"  # what happens past `stale_after`: "introspect" (RFC 7662), "refuse" or "accept"
    stale_after: float = 15  # s since the feed's last word, above 0; below 6 the heartbeat itself looks late
    instance: str = None  # this process among its replicas, 1 to 64 of A-Za-z0-9_.-; by default host name and process
    cookie: str = "session"  # name of the session cookie
    now: callable = time  # s since 1970

    def __post_init__(self):
        self.instance = self.instance or re.sub("[^A-Za-z0-9_.-]", "-", f"{socket.gethostname()}-{os.getpid()}")[-64:]
        in_bounds = self.when_stale in ("introspect", "refuse", "accept") and self.stale_after > 0
        if not (self.issuer and self.audience and self.client_secret and in_bounds):
            raise ValueError("needs issuer, audience, GATEHOUSE_CLIENT_SECRET; when_stale, stale_after in bounds")
        stay = type("Stay", (request.HTTPRedirectHandler,), {"redirect_request": lambda *_: None})
        pair = ":".join(parse.quote(word, safe="") for word in (self.client_id or self.audience, self.client_secret))
        self._opener = request.build_opener(stay)  # nobody elsewhere is shown our credentials
        self._opener.addheaders = [("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())]  # RFC 6749
        self._keys, self._revoked = {}, {}  # by id; tokens issued up to the first time are refused, until the second
        self._began, self._fresh_at, self._keys_at, self._miss_at, self._acked = monotonic(), NEVER, NEVER, NEVER, None
        self._ready, self._over, self._fetching, self._acking = Event(), Event(), Lock(), Lock()
        self._errands = {self._acknowledge: Event(), self._fetch_keys: Event()}  # each is due when a message has come
        self._stats = {"connected": False, "cursor": None, "introspections": 0, "lastError": None, "refusals": {}}
        for target, *args in [self._follow], *([self._repeat, *errand] for errand in self._errands.items()):
            Thread(target=target, args=args, name="gatehouse", daemon=True).start()  # a daemon holds up no exit
        atexit.register(self.close)

    def authenticate(self, headers):
        """The claims of the caller with these headers, a mapping or pairs of text or bytes, or an environ."""
        pairs = [[part.decode("latin-1") if isinstance(part, bytes) else part for part in pair]
                 for pair in getattr(headers, "items", lambda: headers)()]
        authorization, cookies = (by.join(v for k, v in pairs if k.lower() == name or k == "HTTP_" + name.upper())
                                  for name, by in (("authorization", ","), ("cookie", ";")))
        if "bearer" in authorization.lower():  # it decides alone (RFC 6750 section 2.1)
            return self.verify(authorization[7:].lstrip(" ") if authorization[:7].lower() == "bearer " else None)
        ours = rf"\s*{re.escape(self.cookie)}=([^;,]*)"  # behind a comma, too, but there it may be in another's value
        values = {v.rstrip() for v in re.findall("(?:^|;)" + ours, cookies) or re.findall("," + ours, cookies)}
        with self._refusing("malformed" if values else "missing"):  # {"jwt": "..."}; two that differ: tampering
            self._refuse("malformed", when={base64.b64encode(utf8 := base64.b64decode(min(values))).decode()} != values)
            return self.verify(self._read_object(utf8).get("jwt"))

    def verify(self, token):
        """The token's claims; raises Refused."""
        kid, claims = self._read_token(token)
        self._ready.wait(max(0, self._began + PATIENCE - monotonic()))
        key = self._keys.get(kid) or self._fetch_keys(kid) or self._refuse("unknown_key")
        with self._refusing("signature"):
            jwt.api_jws.decode(token, key, algorithms=["ES256"])
        for who, id in (("key", kid), ("session", claims["sid"]), ("user", claims["sub"])):
            self._refuse(f"{who}_revoked", when=claims["iat"] <= self._revoked.get(id, (NEVER,))[0])
        if (self._over.is_set() or monotonic() - self._fresh_at > self.stale_after) and self.when_stale != "accept":
            self._refuse("stale", when=self.when_stale == "refuse")
            self._stats["introspections"] += 1  # the answer is for this request alone
            with self._refusing("introspection_failed"):
                active = self._read(self._ask("/connect/introspect", body=f"token={token}".encode()))["active"]
            self._refuse("inactive", when=active is not True)
        return claims

    def close(self):
        """Says goodbye, so that no sign-out waits for this process. Done at exit too, but not at a bare SIGTERM."""
        self._over.set()
        self._acknowledge(leaving=True)

    def stats(self):
        age = monotonic() - self._fresh_at if self._ready.is_set() else None
        return json.loads(json.dumps({**self._stats, "feedAgeSeconds": age, "revocationsHeld": len(self._revoked)}))

    def _refuse(self, reason, when=True):
        if when:
            self._stats["refusals"][reason] = self._stats["refusals"].get(reason, 0) + 1
            raise Refused(reason)

    @contextmanager
    def _refusing(self, reason):
        try:
            yield
        except Exception as error:  # whatever it is
            self._refuse(reason, when=not isinstance(error, Refused))
            raise

    def _ask(self, path, wait=PATIENCE, body=None, **headers):
        return self._opener.open(request.Request((self.url or self.issuer) + path, body, headers), timeout=wait)

    def _read(self, answer):  # a timeout is for each piece: an answer that drips is cut off, and no JSON then
        over = monotonic() + PATIENCE
        return json.loads(b"".join(iter(lambda: answer.read1() if monotonic() < over else b"", b"")))

    def _follow(self, pause=0):  # a snapshot of all revocations in force, then each new one, and a heartbeat every 5 s
        while not self._over.wait(pause * (1 + time() % 1) / 2):  # all of it or down to half, by chance
            try:
                with self._ask(f"/events?instance={self.instance}&cursor={self._stats['cursor'] or ''}", QUIET) as feed:
                    for line in iter(lambda: b"" if self._over.is_set() else feed.readline(), b""):
                        if line.startswith(b"data:"):
                            self._receive(json.loads(line[5:]))
            except Exception as error:  # whatever it is, the feed is opened anew
                self._stats["lastError"] = str(error)
            pause, self._stats["connected"] = 0.1 if self._stats["connected"] else min(2, 2 * pause + 0.1), False

    def _receive(self, message):  # a snapshot has `events`, an event a `type`, a heartbeat neither; nothing is forgiven
        for entry in message.get("events", [message]):
            kid, sid, sub, expires = map(entry.get, ("kid", "sid", "sub", "expires"))
            self._keys_at = NEVER if kid else self._keys_at
            who, until = kid or sid or sub, ALWAYS if kid or sid else entry.get("notBefore", NEVER)
            if who and (not kid or entry.get("reason") == "revoked") and until >= self._revoked.get(who, (NEVER,))[0]:
                self._revoked[who] = until, ALWAYS if kid or type(expires) not in (int, float) else expires
        if message.keys().isdisjoint(("type", "events")):  # nothing is missing up to here
            self._fresh_at, gone = monotonic(), self.now() - SLACK  # a revoked key, which may stay here, is never gone
            self._revoked = {who: held for who, held in self._revoked.items() if not held[1] < gone}
        self._stats.update(connected=True, cursor=message["cursor"])
        for event in (self._ready, *self._errands.values())[self._fresh_at == NEVER:]:  # ready once it is fresh
            event.set()

    def _repeat(self, errand, due):  # once after each message, or after all that came meanwhile
        while due.wait():
            due.clear()
            errand()

    def _acknowledge(self, leaving=False):
        with self._acking, suppress(Exception):  # what fails is tried again at a heartbeat; a goodbye is a courtesy
            cursor = self._stats["cursor"] or 0  # the newest, whatever it was when this was asked for
            if leaving or (cursor != self._acked and not self._over.is_set()):
                body = json.dumps({"cursor": cursor, "instance": self.instance, "leaving": leaving}).encode()
                self._ask("/events/ack", body=body, **{"Content-Type": "application/json"}).close()
                self._acked = cursor

    def _fetch_keys(self, missing=None):  # all that are published, so that the next is here before its first use
        with self._fetching:
            since, pause = (self._miss_at, KEYS_PAUSE) if missing else (self._keys_at, KEYS_AGE)
            if missing not in self._keys and monotonic() - since > pause:
                self._miss_at, self._keys_at = monotonic() if missing else self._miss_at, monotonic()
                try:
                    keys = self._read(self._ask("/.well-known/jwks.json", **{"Cache-Control": "no-cache"}))["keys"]
                    self._keys = {jwk["kid"]: jwt.PyJWK(jwk, "ES256").key for jwk in keys if jwk.get("crv") == "P-256"}
                except Exception as error:  # whatever it is, they are fetched again at a heartbeat
                    self._keys_at, self._stats["lastError"] = self._keys_at - KEYS_AGE + PATIENCE, str(error)
            return self._keys.get(missing)

    def _read_token(self, token):  # of one spelling: RFC 7515 (3.1), RFC 8725 (2.6, 3.1, 3.10, 3.11), RFC 9068 (2)
        with self._refusing("malformed"):
            parts = [base64.urlsafe_b64decode(part + "==") for part in token[:LONGEST_TOKEN].split(".")]
            spelling = b".".join(map(base64.urlsafe_b64encode, parts)).replace(b"=", b"").decode()
            self._refuse("malformed", when=spelling != token)
            header, claims = map(self._read_object, parts[:-1])
        kid, typed = header.get("kid"), (header.get("alg"), header.get("typ")) == ("ES256", "at+jwt")
        self._refuse("header", when=not typed or not isinstance(kid, str) or {"crit", "b64", "zip"} & header.keys())
        aud, sub, id, sid, iat, exp = (claims.get(name) for name in ("aud", "sub", "id", "sid", "iat", "exp"))
        nbf = claims.get("nbf", iat)
        self._refuse("issuer", when=claims.get("iss") != self.issuer)
        self._refuse("audience", when=self.audience not in (aud if isinstance(aud, list) else [aud]))
        self._refuse("claims", when=[type(value) for value in (sub, sid, iat, exp, nbf)] != [str, str, int, int, int])
        self._refuse("expired", when=exp + SKEW <= self.now())
        self._refuse("not_yet_valid", when=max(iat, nbf) - SKEW > self.now())
        self._refuse("claims", when=not (sub and sid and id == sub and max(iat, nbf) < exp <= iat + LONGEST_LIFE))
        return kid, claims

    def _read_object(self, utf8):  # one JSON object without NaN, which is no int; no member is named twice at any depth
        value = json.loads(utf8.decode(), parse_constant=int, object_pairs_hook=lambda pairs: (
            dict(pairs) if len(dict(pairs)) == len(pairs) else self._refuse("malformed")))
        return value if isinstance(value, dict) else self._refuse("malformed")
