"""`vlcorpus serve CORPUS`: the corpus in a browser, and for clip-retrieval's clients."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from . import output

if TYPE_CHECKING:
    from ..serve.state import State

PORT = 1717
SECONDS = 10.0
MOST = 10_000
THREADS = 4
EVERYWHERE = ("0.0.0.0", "::", "[::]")


def serve(
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS", help="Folder of the corpus, or of clip-retrieval's embeddings.", show_default=False
        ),
    ],
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="Address to listen at; others than this machine need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 is any that is free.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="VLCORPUS_SERVE_TOKEN",
            help="Secret that a request must show; made up where it is needed and not given.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Whose embeddings; the only ones if not given.")] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A further name by which the server may be asked."),
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option("--allow-urls", help="Fetch pictures at addresses that are asked with, from public hosts."),
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-private", metavar="NETWORK", help="With --allow-urls: a network that is not public, as 10.0.0.0/8."
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3_600, help="Longest time of an answer.")
    ] = SECONDS,
    max_k: Annotated[int, typer.Option("--max-k", min=1, max=1_000_000, help="Most hits of one search.")] = MOST,
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, help="Requests computed at once.")] = THREADS,
) -> None:
    """Show the corpus in a browser: search, browse, export."""
    from ..serve.limits import Limits
    from ..serve.running import Serving, run

    serving = Serving(
        host=host,
        port=port,
        token=token,
        model=model,
        allow_hosts=tuple(allow_host or ()),
        allow_urls=allow_urls,
        allow_private=tuple(allow_private or ()),
        limits=Limits(seconds=seconds, max_k=max_k, threads=threads),
    )
    if host in EVERYWHERE and not allow_host:
        output.note("note: others are refused unless they ask by a name that --allow-host gives")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    run(corpus, serving, ready=_tell)


def _tell(url: str, state: State) -> None:
    output.say(url)
    collection = state.collection
    output.note(f"{collection.name}: {output.count(collection.rows)} rows of {collection.model}; end it with Ctrl-C")
    for each in collection.notes:
        output.note(f"note: {output.clean(each)}")


def _end(number: int, frame: object) -> None:
    """A server has nothing to resume."""
    sys.exit(128 + number)
