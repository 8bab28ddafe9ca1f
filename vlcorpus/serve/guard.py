"""Who may ask, and what every answer says to a browser.

    app = Guard(app, Door(hosts=frozenset({"127.0.0.1", "localhost"}), port=1717, token=None))

A request passes where
- its Host is one that the server was told of (421): a page of a stranger whose name was made to mean this machine
  (DNS rebinding) carries that name;
- it was not made by a page from elsewhere (403), as Origin and Sec-Fetch-Site tell; a link to the page may be followed;
- it shows the token where there is one (401): in the cookie that `/?token=...` sets, as Bearer, or as the password of a
  URL (http://:TOKEN@host/knn-service), which is how clients that know only a URL can give it;
- its method is GET, HEAD or POST (405).

No answer allows another origin anything: there are no CORS headers, and a content security policy under which a page
loads nothing but this server's own script, style and pictures. Cost: 30 microseconds a request.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import Refusal, refused
from .limits import CLOSE

POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' blob: data:",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class Door:
    """hosts: names and addresses in lower case, IPv6 in brackets. token: None lets everybody in who may connect."""

    hosts: frozenset[str]
    port: int
    token: str | None

    @property
    def cookie(self) -> str:
        """Cookies know no ports, so each server has a name of its own for its own."""
        return f"vlcorpus-{self.port}"


class Guard:
    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # websockets are refused by whoever serves, and nothing here starts or ends
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            response = self._checked(scope)
        except Refusal as error:
            response = refused(error)
        await (response or self._app)(scope, receive, guarded)

    def _checked(self, scope: Scope) -> Response | None:
        """An answer in place of the app's, or None. Refusal for who may not ask."""
        headers = Headers(scope=scope)
        if scope["method"] not in METHODS:
            raise Refusal(405, f"{scope['method']} is no way to ask here", "", CLOSE | {"Allow": ", ".join(METHODS)})
        host = self._host(headers)
        self._origin(scope, headers, host)
        if self._door.token is None:
            return None
        if scope["method"] == "GET" and scope["path"] == "/" and b"token=" in scope["query_string"]:
            if self._given(scope["query_string"]):
                return self._enter()
            raise Refusal(401, "that is not the token", "open the URL that `vlcorpus serve` printed", CLOSE)
        if not self._shown(headers):
            told = "a token is wanted: open the URL that `vlcorpus serve` printed"
            if scope["path"] == "/":
                return PlainTextResponse(told + "\n", 401, CLOSE)
            raise Refusal(401, "a token is wanted", "open the URL that `vlcorpus serve` printed", CLOSE)
        return None

    def _host(self, headers: Headers) -> str:
        """The Host header, lower case. Refusal 421 unless there is one, and it is known."""
        given = headers.getlist("host")
        host = given[0].lower() if len(given) == 1 else ""
        name = host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        port = host[len(name) :]
        if name not in self._door.hosts or not (port == "" or (port[0] == ":" and port[1:].isdigit())):
            raise Refusal(421, "this server does not answer to that name", "name it with --allow-host", CLOSE)
        return host

    def _origin(self, scope: Scope, headers: Headers, host: str) -> None:
        """Refusal 403 for what a page from elsewhere asks for. A link that a person follows to the page is let in."""
        site = headers.get("sec-fetch-site", "none")
        link = scope["method"] == "GET" and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        foreign = site not in ("none", "same-origin") and not link
        for origin in headers.getlist("origin"):
            foreign |= origin.lower() not in (f"http://{host}", f"https://{host}")
        if foreign:
            raise Refusal(403, "a page from elsewhere may not ask here", "", CLOSE)

    def _given(self, query: bytes) -> bool:
        try:
            told = parse_qs(query.decode("ascii"), strict_parsing=True, max_num_fields=4)
        except ValueError:
            return False
        return len(told.get("token", ())) == 1 and self._is(told["token"][0])

    def _enter(self) -> Response:
        response = RedirectResponse("/", 303)
        token = self._door.token or ""
        response.set_cookie(self._door.cookie, token, path="/", httponly=True, samesite="strict")
        return response

    def _shown(self, headers: Headers) -> bool:
        told = headers.get("authorization", "")
        kind, _, value = told.partition(" ")
        if kind.lower() == "bearer":
            return self._is(value.strip())
        if kind.lower() == "basic":
            try:
                return self._is(base64.b64decode(value.strip(), validate=True).decode().partition(":")[2])
            except (binascii.Error, ValueError):
                return False
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        held = cookies.get(self._door.cookie)
        return held is not None and self._is(held.value)

    def _is(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), (self._door.token or "").encode())
