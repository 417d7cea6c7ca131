"""Images in a real registry: pushed and pulled by digest, verified, and listed."""

import base64
import json

import pytest

from contract.runtime_contract import SERVER, get
from pratique.config import RuntimeSettings
from pratique.errors import DataError, DeniedError, MissingError, UnavailableError, UsageError
from pratique.release.image import REVISION_LABEL, list_releases, load_image_release, push_release
from pratique.runtime.docker import DockerRuntime
from support.docker_engine import engine_running, needs_docker, needs_registry, registry
from support.token_server import token_server

pytestmark = [needs_docker, needs_registry]


class Shelf:
    """A registry with its engine."""

    def __init__(self, engine, found, folder):
        self.engine, self.registry = engine, found
        self.image = f"{found.address}/team/shop"
        self.settings = RuntimeSettings(
            kind="docker", readiness_path="/", docker={"image": self.image, "hosts": (engine.host,)}
        )
        self.runtime = DockerRuntime(self.settings, folder)

    def build(self, revision, *, tag=None, labels=None, app=SERVER):
        labels = {REVISION_LABEL: revision} if labels is None else labels
        self.engine.image(f"{self.image}:{tag or revision}", f"{app}\n# {revision}\n", labels=labels)

    def push(self, revision):
        self.build(revision)
        return push_release(revision, self.settings)

    def retag(self, source, target):
        """Move a tag to the image of another revision."""
        client = self.engine.client()
        client.images.get(f"{self.image}:{source}").tag(self.image, tag=target)
        client.images.push(self.image, tag=target)
        client.close()

    def forget(self):
        """Remove its images from the engine, so the next load pulls them."""
        client = self.engine.client()
        for image in client.images.list(name=self.image):
            client.images.remove(image.id, force=True)
        client.close()

    def load(self, revision, **given):
        return load_image_release("shop", revision, self.settings, **given)


@pytest.fixture
def shelf(engine, tmp_path):
    with registry() as found:
        shelf = Shelf(engine, found, tmp_path)
        yield shelf
        engine.clean()
        shelf.forget()


def test_a_release_is_pushed_pulled_by_its_digest_and_started(shelf):
    digest = shelf.push("r1")
    shelf.forget()
    release = shelf.load("r1")
    assert (release.digest, release.location) == (digest, f"{shelf.image}@{digest}")
    (instance,) = shelf.runtime.start(release, run="run-1", role="canary")
    shelf.runtime.wait_ready(instance, deadline_s=60)
    assert get(instance)[1].split()[0] == "r1"


def test_the_revisions_in_the_registry_are_listed(shelf):
    assert list_releases(shelf.settings) == []
    for revision in ("r1", "r2", "r10"):
        shelf.push(revision)
    assert list_releases(shelf.settings) == ["r1", "r10", "r2"]


def test_a_tag_that_points_to_another_revision_is_refused(shelf):
    shelf.push("r1")
    shelf.push("r2")
    shelf.retag("r1", "r2")
    shelf.forget()
    with pytest.raises(DataError, match=r"r2 has the revision label 'r1'"):
        shelf.load("r2")


def test_a_recorded_digest_is_used_wherever_the_tag_points(shelf):
    first = shelf.push("r1")
    shelf.build("r1", app=SERVER + "\n# built again\n")
    second = push_release("r1", shelf.settings)
    assert first != second
    shelf.forget()
    assert shelf.load("r1").digest == second
    assert shelf.load("r1", digest=first).digest == first


def test_an_image_without_a_revision_label_is_refused(shelf):
    shelf.build("r1", labels={})
    with pytest.raises(DataError, match=REVISION_LABEL):
        push_release("r1", shelf.settings)


@pytest.mark.parametrize("label", ["r1$(reboot)", "r1 r2", "../r1", "R1"])
def test_a_hostile_revision_label_is_refused(shelf, label):
    shelf.build("r1", labels={REVISION_LABEL: label})
    with pytest.raises(DataError, match="has the revision label"):
        push_release("r1", shelf.settings)


def test_a_revision_that_is_not_in_the_registry_is_an_error(shelf):
    with pytest.raises(MissingError, match=r"shop:r9.*push it first"):
        shelf.load("r9")


def test_a_digest_that_is_not_in_the_registry_is_an_error(shelf):
    shelf.push("r1")
    with pytest.raises(MissingError, match="sha256:0000"):
        shelf.load("r1", digest=f"sha256:{'0' * 64}")


def test_a_registry_that_is_down_is_an_error_and_local_images_can_still_be_loaded_by_digest(shelf):
    digest = shelf.push("r1")
    shelf.load("r1")
    shelf.registry.stop()
    with pytest.raises(UnavailableError, match=r"registry of .*shop:r1 does not answer"):
        shelf.load("r1")
    with pytest.raises(UnavailableError, match="does not list"):
        list_releases(shelf.settings)
    with pytest.raises(UnavailableError, match=r"registry of .*shop:r1 does not answer"):
        push_release("r1", shelf.settings)
    assert shelf.load("r1", digest=digest).digest == digest


def test_an_image_without_a_registry_is_not_pushed(engine):
    settings = RuntimeSettings(kind="docker", docker={"image": "shop", "hosts": (engine.host,)})
    with pytest.raises(UsageError, match="has no registry"):
        push_release("r1", settings)


def test_without_a_registry_the_images_of_the_engine_are_listed(engine):
    engine.image("listed:r1", SERVER)
    engine.image("listed:r2", SERVER)
    settings = RuntimeSettings(kind="docker", docker={"image": "listed", "hosts": (engine.host,)})
    assert list_releases(settings) == ["r1", "r2"]


@pytest.fixture
def guarded(engine, tmp_path):
    """A registry that requires a token, and the token server."""
    with token_server(tmp_path) as tokens, registry(tokens.settings()) as found:
        shelf = Shelf(engine, found, tmp_path)
        yield shelf, tokens
        engine.clean()
        shelf.forget()


def logged_in(folder, monkeypatch, address, login):
    """Write the file that `docker login` writes."""
    folder.mkdir()
    content = {"auths": {address: {"auth": base64.b64encode(login.encode()).decode()}}}
    (folder / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))


def test_a_registry_that_requires_a_token_is_read_with_the_login_of_docker(guarded, tmp_path, monkeypatch):
    shelf, tokens = guarded
    logged_in(tmp_path / "docker", monkeypatch, shelf.registry.address, "ann:secret")
    digest = shelf.push("r1")
    shelf.forget()
    assert shelf.load("r1").digest == digest
    tokens.asked.clear()
    assert list_releases(shelf.settings) == ["r1"]
    assert tokens.asked == ["repository:team/shop:pull"]


@pytest.mark.parametrize("login", ["", "ann:wrong"])
def test_without_the_right_login_the_error_names_docker_login(guarded, tmp_path, monkeypatch, login):
    shelf, _ = guarded
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if login:
        logged_in(tmp_path / "docker", monkeypatch, shelf.registry.address, login)
    told = rf"docker login {shelf.registry.address}$"
    with pytest.raises(DeniedError, match=told):
        list_releases(shelf.settings)
    with pytest.raises(DeniedError, match=told):
        shelf.push("r1")
    with pytest.raises(DeniedError, match=told):
        shelf.load("r1")


def test_a_login_is_not_sent_in_the_clear(tmp_path, engine, monkeypatch):
    with token_server(tmp_path) as tokens, registry(tokens.settings("http://tokens.example/token")) as found:
        shelf = Shelf(engine, found, tmp_path)
        logged_in(tmp_path / "docker", monkeypatch, found.address, "ann:secret")
        with pytest.raises(UnavailableError, match="in the clear"):
            list_releases(shelf.settings)


def test_an_image_of_docker_hub_is_found_under_its_short_name(shelf, tmp_path):
    digest = shelf.push("r1")
    with engine_running(mirror=f"http://{shelf.registry.address}") as other:
        hub = Shelf(other, shelf.registry, tmp_path)
        hub.settings = RuntimeSettings(kind="docker", docker={"image": "docker.io/team/shop", "hosts": (other.host,)})
        for _ in ("pulled", "there"):
            release = hub.load("r1")
            assert (release.digest, release.location) == (digest, f"docker.io/team/shop@{digest}")
