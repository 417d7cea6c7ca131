"""A release: service, revision, digest and injected configuration."""

from pratique.release.directory import digest_of, load_release
from pratique.release.find import configuration_digest, find_release
from pratique.release.model import Release
from pratique.release.secrets import mask, resolve_env

__all__ = ["Release", "configuration_digest", "digest_of", "find_release", "load_release", "mask", "resolve_env"]
