"""The shop as images: built in an engine of the tests and pushed to a registry of the tests."""

from pratique.release.image import REVISION_LABEL, push_release
from support.shop_fixture import Shop


class ImageShop(Shop):
    """A shop whose releases are images."""

    def __init__(self, folder, more="", balancer="haproxy", *, engine, registry):
        self.engine = engine
        self.repository = f"{registry.address}/shop"
        docker = f'docker = {{ image = "{self.repository}", hosts = ["{engine.host}"] }}'
        super().__init__(folder, more, balancer, f'kind = "docker"\n{docker}')

    def make(self, revision, failing=None, spoil=("", "")):
        """Make a release directory and push its image to the registry."""
        super().make(revision, failing, spoil)
        folder = self.folder / "releases" / revision
        # a container's port is reached from outside of it
        app = (folder / "app.py").read_text().replace('"127.0.0.1"', '"0.0.0.0"')
        files = {"release.json": (folder / "release.json").read_text()}
        self.engine.image(f"{self.repository}:{revision}", app, labels={REVISION_LABEL: revision}, files=files)
        push_release(revision, self.settings.service("shop").runtime)
        return revision
