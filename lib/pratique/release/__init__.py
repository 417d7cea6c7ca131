"""What a release is: service, revision, digest, injected configuration."""

from pratique.release.directory import digest_of, load_release
from pratique.release.model import Release
from pratique.release.secrets import mask, resolve_env

__all__ = ["Release", "digest_of", "load_release", "mask", "resolve_env"]
