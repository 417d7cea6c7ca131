"""Releases as images in an engine that belongs to the tests."""

from pathlib import Path

from contract.runtime_contract import SERVER
from pratique.config import RuntimeSettings
from pratique.release.image import load_image_release
from pratique.runtime.docker import DockerRuntime
from pratique.runtime.secretfiles import ROOT, home

BUILT = {}


class DockerPlace:
    """A runtime on an engine; `clean` removes everything that it started."""

    def __init__(self, engine, folder, *, image="shop", **settings):
        self.engine, self.folder = engine, Path(folder)
        docker = {"image": image, "hosts": (engine.host,)} | settings.pop("docker", {})
        self.settings = RuntimeSettings(kind="docker", readiness_path="/", docker=docker, **settings)
        self.runtime = self.again()

    def again(self, **env):
        settings = self.settings.model_copy(update={"env": self.settings.env | env})
        return DockerRuntime(settings, self.folder)

    def release(self, name, app=SERVER, *, labels=None, healthcheck="", **env):
        key = (self.engine.host, self.settings.docker.image, name, app, healthcheck)
        if BUILT.get(key[:3]) != key:
            image = f"{self.settings.docker.image}:{name}"
            self.engine.image(image, app, labels=labels, healthcheck=healthcheck)
            BUILT[key[:3]] = key
        settings = self.settings.model_copy(update={"env": self.settings.env | env})
        return load_image_release("shop", name, settings)

    @property
    def secrets(self):
        """The folder with the secrets of the service's containers, a folder each."""
        client = self.engine.client()
        try:
            return Path("/dev/shm", ROOT, home(client.info()["ID"], "shop"))
        finally:
            client.close()

    def kill(self, instance):
        client = self.engine.client()
        client.containers.get(instance.id).kill()
        client.close()

    def inspect(self, instance):
        client = self.engine.client()
        try:
            return client.containers.get(instance.id).attrs
        finally:
            client.close()

    def start(self, release, *, ready=True, **options):
        (instance,) = self.runtime.start(release, run="run-1", role="canary", **options)
        if ready:
            self.runtime.wait_ready(instance, deadline_s=60)
        return instance
