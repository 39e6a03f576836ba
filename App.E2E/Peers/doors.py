# The two doors of a service in Python, each as its standard has it: WSGI (PEP 3333) behind the server of wsgiref, and
# ASGI 3, whose scope has the headers as they came.
import asyncio
import os
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from gatehouse import Gatehouse, Refused

env = os.environ
gate = Gatehouse(env["ISSUER"], env["AUDIENCE"], url=env["URL"])
WSGIRequestHandler.log_message = lambda *_: None


def over_wsgi(environ, start_response):
    try:
        status, said = "200 OK", gate.authenticate(environ)["sub"]
    except Refused as refused:
        status, said = "401 Unauthorized", refused.reason
    start_response(status, [("Content-Type", "text/plain")])
    return [said.encode()]


async def over_asgi(scope, receive, send):
    try:
        status, said = 200, (await asyncio.to_thread(gate.authenticate, scope["headers"]))["sub"]
    except Refused as refused:
        status, said = 401, refused.reason
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": said.encode()})


async def serve_asgi():
    async def answer(reader, writer):
        async def send(event):
            writer.write(event.get("body") or b"HTTP/1.1 %d -\r\nConnection: close\r\n\r\n" % event["status"])

        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[1:-2]
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "method": "GET", "path": "/", "headers": headers}
        await over_asgi(scope, None, send)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == "asgi":
    asyncio.run(serve_asgi())
else:
    server = make_server("127.0.0.1", 0, over_wsgi)
    print("listening", server.server_port, flush=True)
    server.serve_forever()
