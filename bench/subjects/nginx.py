"""nginx as a keep-alive reverse proxy, one worker: about the least that a proxy in user space can cost."""

import os
import pwd
import shutil
import socket
import subprocess

from bench.processes import spawn, stop, wait_until
from bench.subjects import Ledger, Site, SubjectMissing
from deployer.local.ports import free_port

NAME = "nginx"

# Streams have a server of their own: without buffering each event is passed on as it comes, with it answers are cheaper.
_CONFIGURATION = """\
daemon off;
user {user};
pid {directory}/nginx.pid;
error_log {directory}/nginx.log warn;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_body_buffer_size 64k;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    upstream provider {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{ proxy_pass http://provider; }}
    }}
    server {{
        listen 127.0.0.1:{stream_port} backlog=2048;
        location / {{ proxy_pass http://provider; proxy_buffering off; }}
    }}
}}
"""


class Nginx:
    """Debian's nginx; its worker inherits the master's core."""

    name = NAME
    key = "adu_bench"
    ledger: Ledger | None = None

    def __init__(self) -> None:
        self.port = self.stream_port = 0
        self.backing_pids: list[int] = []
        self.version = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> list[int]:
        return [self._process.pid] if self._process is not None else []

    def start(self, site: Site) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise SubjectMissing(
                "nginx is not installed (Debian: apt-get install nginx-light); there will be no ratios to it"
            )
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
        self.version = said.strip().rpartition("/")[2]
        directory = site.directory / "nginx"
        directory.mkdir()
        self.port, self.stream_port = free_port(), free_port()
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                user=pwd.getpwuid(os.getuid()).pw_name,
                directory=directory,
                upstream=site.upstream_port,
                port=self.port,
                stream_port=self.stream_port,
            )
        )
        log = directory / "nginx.log"
        command = [program, "-e", str(log), "-p", str(directory), "-c", str(configuration)]
        self._process = spawn(command, core=site.cores.subject, log=log)
        wait_until(self._listens, self._process, log, "nginx")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.stream_port), timeout=1):
                return True
        except OSError:
            return False
