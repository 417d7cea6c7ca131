"""A real Docker engine and a real registry, started and stopped by the tests.

    engine.host          "unix://…", for DOCKER_HOST or services.*.runtime.docker.hosts
    engine.client()      a docker client of it
    engine.image(…)      builds an image of a Python app on a small base made of this machine's own files
    engine.restart()     ends the daemon and starts it again; kill() ends it without warning
    registry()           Debian's docker-registry on a free loopback port; .address is "127.0.0.1:PORT"

No image is pulled: the base is this machine's Debian python3, packed by `docker import`.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.runtime.secretfiles import ROOT, home
from support.ports import WORKER, free_port

BASE = "pratique-test/python:base"
PACKAGES = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")
NEEDED = ("dockerd", "containerd", "iptables", "ip")
START_S = 60.0


def missing():
    """The reason why no engine can run here; "" if one can."""
    found = [name for name in NEEDED if shutil.which(name) is None and not Path("/usr/sbin", name).exists()]
    if found:
        return f"{', '.join(found)} is not installed: apt-get install docker.io iptables iproute2 python3"
    if not Path("/usr/bin/python3.11").exists():
        return "Debian's python3.11 is not installed: apt-get install python3"
    return "" if os.geteuid() == 0 else "starting a Docker engine needs root"


needs_docker = pytest.mark.docker
needs_registry = pytest.mark.registry


_STARTED = itertools.count()


class Engine:
    """One dockerd with its own folders and bridge; mirror: the address that it uses instead of Docker Hub."""

    def __init__(self, mirror=""):
        self.mirror = ["--registry-mirror", mirror] if mirror else []
        nth = next(_STARTED)
        self.folder = Path(tempfile.mkdtemp(prefix="dkr-"))
        self.host = f"unix://{self.folder}/docker.sock"
        self.number = WORKER
        # of this process, so that a run beside this one does not meet it
        self.bridge = f"pq{os.getpid()}n{nth}"
        self.subnet = f"10.{150 + 10 * self.number + nth}.{os.getpid() % 250 + 1}.1/24"
        self.process = None
        self.insecure = []

    def start(self):
        if subprocess.run(["ip", "link", "show", self.bridge], capture_output=True, check=False).returncode:
            subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], check=True)
            subprocess.run(["ip", "addr", "add", self.subnet, "dev", self.bridge], check=True)
            subprocess.run(["ip", "link", "set", self.bridge, "up"], check=True)
        # without iptables: a second engine of the machine would undo the rules of the first; docker-proxy does
        command = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "-H", self.host]
        command += ["-p", self.folder / "pid", "--bridge", self.bridge, "--iptables=false", "--ip6tables=false"]
        command += self.mirror
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)
        return self

    def client(self):
        import docker  # noqa: PLC0415 - slow to load

        return docker.DockerClient(base_url=self.host, version="auto", timeout=60)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            try:
                asked.connect(f"{self.folder}/docker.sock")
                asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in asked.recv(100)
            except OSError:
                return False

    def log(self):
        return (self.folder / "log").read_text()[-3000:]

    def base(self):
        """The base image; it is made on first use."""
        client = self.client()
        try:
            if not client.images.list(name=BASE):
                client.api.import_image_from_data(_base_tar(), repository=BASE.partition(":")[0], tag="base")
        finally:
            client.close()
        return BASE

    def image(self, name, app, *, labels=None, healthcheck="", user="1000:1000", files=None):
        """Build an image whose command is `python3 /app.py PORT` with port 8000; returns its id."""
        lines = [f"FROM {self.base()}", "COPY . /", f"USER {user}", "EXPOSE 8000"]
        lines += [f'LABEL "{key}"="{value}"' for key, value in (labels or {}).items()]
        lines += [healthcheck] if healthcheck else []
        lines += ['CMD ["/usr/bin/python3", "-u", "/app.py", "8000"]']
        content = {"app.py": app, **(files or {}), "Dockerfile": "\n".join(lines)}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, text in content.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text.encode()), 0o644
                tar.addfile(entry, io.BytesIO(text.encode()))
        client = self.client()
        try:
            image, _ = client.images.build(
                fileobj=io.BytesIO(packed.getvalue()), custom_context=True, tag=name, rm=True
            )
            return image.id
        finally:
            client.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self):
        self.end()
        self.start()

    def clean(self):
        """Remove every container and its secrets."""
        client = self.client()
        try:
            for container in client.containers.list(all=True):
                container.remove(force=True, v=True)
            secrets = Path("/dev/shm", ROOT, home(client.info()["ID"], "of any service")).parent
            shutil.rmtree(secrets, ignore_errors=True)
        finally:
            client.close()

    def close(self):
        if self.process is not None:
            if self.process.poll() is None:
                self.clean()
            self.end()
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)
        for line in Path("/proc/mounts").read_text().splitlines()[::-1]:
            mounted = line.split()[1]
            if mounted.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", mounted], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def _base_tar():
    """Debian's Python of this machine, what its modules need, and a shell."""
    listed = subprocess.run(["dpkg", "-L", *PACKAGES], capture_output=True, text=True, check=True).stdout.splitlines()
    files = {path for path in listed if Path(path).is_file() and not path.startswith("/usr/share")}
    loaded = [path for path in files if path.endswith(".so") or ".so." in path or path.startswith("/usr/bin")]
    said = subprocess.run(["ldd", *loaded], capture_output=True, text=True, check=False).stdout
    files |= {
        word for line in said.splitlines() for word in line.split() if word.startswith("/") and Path(word).is_file()
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in sorted(files):
            tar.add(path, recursive=False)
        for link, target in (
            ("usr/bin/python3", "python3.11"),
            ("lib", "usr/lib"),
            ("lib64", "usr/lib64"),
            ("bin", "usr/bin"),
        ):
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            if not any(path.lstrip("/").startswith(f"{link}/") for path in files):
                tar.addfile(entry)
        for folder, mode in (("tmp", 0o1777), ("data", 0o777), ("run", 0o755), ("proc", 0o755), ("sys", 0o755)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for path, text in {
            "etc/passwd": "root:x:0:0::/:/\napp:x:1000:1000::/:/\n",
            "etc/group": "root:x:0:\napp:x:1000:\n",
        }.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
        if Path("/bin/busybox").exists():
            tar.add("/bin/busybox", "usr/bin/sh")
    return packed.getvalue()


class Registry:
    """A docker-registry process; auth: the `auth` section of its configuration."""

    def __init__(self, auth=""):
        self.auth = auth
        self.folder = Path(tempfile.mkdtemp(prefix="reg-"))
        self.address = f"127.0.0.1:{free_port()}"
        self.process = None

    def start(self):
        (self.folder / "config.yml").write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {self.folder}/data}}\n"
            f"  delete: {{enabled: true}}\nhttp: {{addr: '{self.address}'}}\n{self.auth}"
        )
        with (self.folder / "log").open("ab") as log:
            command = ["docker-registry", "serve", self.folder / "config.yml"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        host, _, port = self.address.partition(":")
        deadline = time.monotonic() + 120
        while True:
            with socket.socket() as client:
                if client.connect_ex((host, int(port))) == 0:
                    return self
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@contextmanager
def registry(auth=""):
    """An empty registry; it is removed at the end."""
    found = Registry(auth)
    try:
        yield found.start()
    finally:
        found.stop()
        shutil.rmtree(found.folder, ignore_errors=True)


@contextmanager
def engine_running(mirror=""):
    """An engine; it is removed at the end with everything that it ran."""
    found = Engine(mirror)
    try:
        yield found.start()
    finally:
        found.close()


if __name__ == "__main__":
    with engine_running() as shown:
        print(shown.host, shown.base(), file=sys.stderr)
