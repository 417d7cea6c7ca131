"""What a release is: service, revision, digest, injected configuration."""

from pratique.release.directory import digest_of, load_release
from pratique.release.model import Release

__all__ = ["Release", "digest_of", "load_release"]
