import base64
import json
import os
from urllib.parse import quote, urlencode
from urllib.request import Request as Question, urlopen

from fastapi import Depends, FastAPI, HTTPException, Request

CREDENTIALS = base64.b64encode(f"{client_id}:{quote(os.environ['GATEHOUSE_CLIENT_SECRET'], safe='')}".encode()).decode()
app = FastAPI()


def signed_in(request: Request) -> dict:
    """The claims of whoever is calling. Gatehouse is asked each time (RFC 7662), so nothing here can be out of date."""
    body = urlencode({"token": token_of(request) or ""}).encode()
    with urlopen(Question("{issuer}/connect/introspect", body, {"Authorization": f"Basic {CREDENTIALS}"}), timeout=2) as answer:
        claims = json.load(answer)
    if not claims["active"]:
        raise HTTPException(401, "Not authorized", {"WWW-Authenticate": "Bearer"})
    return claims


def token_of(request: Request):
    """A bearer token decides alone; else the session cookie, which is base64 of {"jwt":"..."}."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return token if scheme.lower() == "bearer" else None
    try:
        return json.loads(base64.b64decode(request.cookies["{session_cookie}"])).get("jwt")
    except (KeyError, ValueError, AttributeError):
        return None


@app.get("/")
def hello(user: dict = Depends(signed_in)):
    return {"hello": user["email"]}
