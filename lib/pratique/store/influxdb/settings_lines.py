"""The lines of the service file by which it uses the tokens of a setup."""

from __future__ import annotations

import json
from pathlib import Path

from pratique.config import Config


def lines_for(config: Config, token_file: Path, read_token_file: Path) -> list[str]:
    """Return the lines to put into [store], or one line when the service file has them."""
    store, base = config.store, Path(config.base).absolute()
    wanted = {"token_file": token_file, "read_token_file": read_token_file}
    missing = [name for name, path in wanted.items() if getattr(store, name) != str(path)]
    both = [name for name in ("token_env", "read_token_env") if getattr(store, name)]
    url_given = config.file and f'"{store.url}"' in Path(config.file).read_text(encoding="utf-8-sig")
    if not missing and not both and url_given:
        return [f"{config.file} has these settings already; next: pratique store check"]
    lines = [f"put this into {config.file or 'pratique.toml'}, then run pratique store check:", "[store]"]
    lines += [f"url = {json.dumps(store.url)}"]
    lines += [f"{name} = {json.dumps(_relative(path, base))}" for name, path in wanted.items()]
    return lines + [f"# and remove {name}" for name in both]


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
