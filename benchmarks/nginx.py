"""Files served by nginx from 64 hosts on the loopback, over HTTP and TLS, for the benchmarks of downloads.

    with served([("a.jpg", body), ("b.png", body)]) as site:
        site.url(0)                http://127.0.1.1:41233/a.jpg
        site.url(1, tls=True)      https://127.0.1.2:41234/b.png
        site.trusted               certificates of the real authorities and of the one that signed for these hosts

    python benchmarks/nginx.py FOLDER      serves a folder's files until Enter is pressed

File number n is named with host number n modulo 64; each host has all of them. A query is ignored. There is no
robots.txt (404). Connections are kept; one worker; the certificate is ECDSA P-256. What nginx writes stands in a
temporary folder, and it ends with the context. Needs nginx (Debian: nginx-light) and openssl, nothing of the system's
configuration, and no rights beyond those of the caller.

The list of trusted certificates holds certifi's 140 or so besides: a client that reads it for each connection pays for
that, as it does on the web.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import certifi

HOSTS = 64
START_SECONDS = 30
ADDRESSES = tuple(f"127.0.1.{number + 1}" for number in range(HOSTS))
NETWORK = "127.0.1.0/24"

CONFIGURATION = """
daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile 8192;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary;
    uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    types {{
        image/jpeg jpg;
        image/png png;
        image/webp webp;
    }}
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 300s;
    keepalive_requests 1000000;
    open_file_cache max=10000;
    server {{
        {listens}
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:benchmark:10m;
        root {folder}/files;
    }}
}}
"""


@dataclass(frozen=True)
class Site:
    """Names are those of the files. Number n in `url` may exceed them: host and query then differ, not the file."""

    names: tuple[str, ...]
    port: int
    trusted: Path

    def url(self, number: int, *, tls: bool = False) -> str:
        host, name = ADDRESSES[number % HOSTS], self.names[number % len(self.names)]
        query = f"?n={number}" if number >= len(self.names) else ""
        return f"{'https' if tls else 'http'}://{host}:{self.port + tls}/{name}{query}"


@contextmanager
def served(files: Sequence[tuple[str, bytes]]) -> Iterator[Site]:
    """Serve (name, body) pairs; the port for TLS is the one after that for HTTP."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        raise SystemExit("nginx is not installed (Debian: apt-get install nginx-light)")
    with tempfile.TemporaryDirectory(prefix="vlcorpus-nginx-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        for path, body in files:
            (folder / "files" / path).write_bytes(body)
        trusted = _certificates(folder)
        port = _free_ports()
        listens = [
            f"listen {each}:{port} backlog=1024; listen {each}:{port + 1} ssl backlog=1024;" for each in ADDRESSES
        ]
        user = "user root;" if os.geteuid() == 0 else ""  # else its worker could not read a folder of ours
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, user=user, listens="\n        ".join(listens)))
        server = subprocess.Popen([nginx, "-p", name, "-c", str(configuration), "-e", str(folder / "error.log")])
        try:
            _await(server, port, folder / "error.log")
            yield Site(tuple(path for path, _ in files), port, trusted)
        finally:
            server.terminate()
            server.wait()


def _certificates(folder: Path) -> Path:
    """Make an authority and what it signed for the hosts; the list of all certificates to trust."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    authority = ("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key")
    hosts = "subjectAltName=" + ",".join(f"IP:{each}" for each in ADDRESSES)
    made = (
        ("ca", "authority of a benchmark", "basicConstraints=critical,CA:TRUE", ()),
        ("server", "hosts of a benchmark", "basicConstraints=critical,CA:FALSE", ("-addext", hosts, *authority)),
    )
    for name, subject, rights, more in made:
        out = ("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")
        command = ["openssl", "req", "-x509", *curve, "-subj", f"/CN={subject}", *out, "-addext", rights, *more]
        subprocess.run(command, check=True, capture_output=True)
    trusted = folder / "trusted.pem"
    trusted.write_bytes(Path(certifi.where()).read_bytes() + (folder / "ca.pem").read_bytes())
    return trusted


def _free_ports() -> int:
    """The first of two ports in a row that nobody has."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        try:
            socket.create_connection((ADDRESSES[-1], port + 1), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nginx did not start: {log.read_text() if log.exists() else ''}")


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        raise SystemExit(__doc__)
    paths = [path for path in sorted(Path(sys.argv[1]).iterdir()) if path.is_file()]
    with served([(path.name, path.read_bytes()) for path in paths]) as site:
        for number, path in enumerate(paths):
            print(site.url(number), site.url(number, tls=True), path.name)
        print(f"SSL_CERT_FILE={site.trusted}")
        input("press Enter to end ")


if __name__ == "__main__":
    main()
