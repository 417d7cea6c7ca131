"""Secrets where everyone who may ask the engine can read them: environments, labels, the history of images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pratique.doctor.container import Container
from pratique.doctor.finding import Found, Looked, look_at_each
from pratique.doctor.look import Look
from pratique.masked_text import MASK, masked

_NAME = re.compile(
    r"(?:^|[_.-])(?:PASSWORD|PASSWD|PASSPHRASE|PASS|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|ENCRYPTION_?KEY|CREDENTIALS?)$",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"(?:true|false|yes|no|on|off|none|null|\d{1,3}|\*+|x+|<[^>]*>|\$\{?\w+\}?|(?:env|file):\S*|/\S*)?", re.IGNORECASE
)
"""Values that are no secrets: switches, placeholders, references, paths of files."""
_SET = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|[^\s|]+)")
"""NAME=value in a line of a Dockerfile."""


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks like a secret, by its name or by the form of its value. A name of a user is none.

    >>> is_secret("DB_PASSWORD", "hunter2"), is_secret("DB_USER", "shop"), is_secret("DB_PASSWORD_FILE", "/run/secrets/db")
    (True, False, False)
    >>> is_secret("DATABASE_URL", "postgres://shop:hunter2@db/shop"), is_secret("MAX_TOKENS", "4096")
    (True, False)
    """
    value = value.strip().strip("\"'")
    if _HARMLESS.fullmatch(value):
        return False
    return bool(_NAME.search(name)) or MASK in masked(value).replace(value, "")


def secret_in_env(look: Look) -> Looked:
    """Environments and labels of containers, and the history of their images. Values are never shown."""

    def judge(one: Container) -> Iterator[Found]:
        for where, pairs in (("the environment variable", one.env), ("the label", one.labels)):
            for name in sorted(name for name, value in pairs.items() if is_secret(name, str(value))):
                remedy = f"{look.docker('run')} --name {one.name} -v …:/run/secrets:ro …  # and change the secret"
                if one.is_ours:
                    remedy = f'write env.{name} = "env:{name}" in [services.{one.own_service}.runtime], and change the secret'
                yield Found(one.name, f"{where} {name} looks like a secret", remedy)

    def judge_image(image: str) -> Iterator[Found]:
        names = {
            name
            for line in look.of_object("history", image)
            for name, value in _SET.findall(str(line.get("CreatedBy") or ""))
            if is_secret(name, value)
        }
        by_name = next((one.image_name for one in look.containers if one.image == image), "") or image[:19]
        for name in sorted(names):
            yield Found(
                by_name,
                f"its history holds a secret: {name}",
                "docker build --secret id=… .  # and change the secret: the old one stays in every copy",
            )

    containers = look_at_each(look.containers, judge)
    images = look_at_each(sorted({one.image for one in look.containers}), judge_image)
    return Looked((*containers.found, *images.found), containers.of + images.of, (*containers.unseen, *images.unseen))
