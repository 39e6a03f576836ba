from fastapi import Depends, FastAPI, HTTPException, Request

from gatehouse import Gatehouse, Refused

gate = Gatehouse("{issuer}", "{audience}", client_id="{client_id}")
app = FastAPI(on_shutdown=[gate.close])


def signed_in(request: Request) -> dict:
    try:
        return gate.authenticate(request.headers)
    except Refused:
        raise HTTPException(401, "Not authorized", {"WWW-Authenticate": "Bearer"}) from None


@app.get("/")
def hello(user: dict = Depends(signed_in)):
    return {"hello": user["email"]}
