import base64
import json
import logging
import os
from urllib.parse import quote, urlencode
from urllib.request import Request as Question, urlopen

from fastapi import Depends, FastAPI, HTTPException, Request

SECRET = os.environ["GATEHOUSE_CLIENT_SECRET"]
CREDENTIALS = base64.b64encode(f"{client_id}:{quote(SECRET, safe='')}".encode()).decode()
app = FastAPI()


def signed_in(request: Request) -> dict:
    """The claims of whoever is calling. Gatehouse is asked each time (RFC 7662), so nothing here can be out of date."""
    body = urlencode({"token": token_of(request) or ""}).encode()
    try:
        with urlopen(Question("{issuer}/connect/introspect", body, {"Authorization": f"Basic {CREDENTIALS}"}), timeout=2) as answer:
            claims = json.load(answer)
    except (OSError, ValueError) as error:
        logging.error("Gatehouse could not be asked: %s", error)
        raise HTTPException(503, "Try again in a moment") from None
    if not is_person(claims):
        raise HTTPException(401, "Not authorized", {"WWW-Authenticate": "Bearer"})
    return claims


def is_person(claims: dict) -> bool:
    """A refresh token, or a service's own, is active too, but nobody is calling with it."""
    active = claims["active"] is True and claims.get("token_type") == "Bearer"
    return active and isinstance(claims.get("sid"), str) and "{audience}" in claims.get("aud", [])


def token_of(request: Request):
    """A bearer token decides alone; else the session cookie, which is base64 of {"jwt":"..."}."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return token.lstrip(" ") if scheme.lower() == "bearer" else None
    try:
        return json.loads(base64.b64decode(request.cookies["{session_cookie}"])).get("jwt")
    except (KeyError, ValueError, AttributeError):
        return None


@app.get("/")
def hello(user: dict = Depends(signed_in)):
    return {"hello": user["email"]}
