"""The files in examples/schedules, made again: `python -m support.schedule_examples` in tests/ writes them."""

from pathlib import Path

from pratique.schedules import SYSTEMS, Period, ScheduledReport, schedule_files

FOLDER = Path(__file__).parents[2] / "examples" / "schedules"
REPORT = ScheduledReport(
    "shop",
    Period.parse("1h", name="shop"),
    folder="/srv/shop",
    config="pratique.toml",
    program="/srv/shop/.venv/bin/pratique",
    secrets=("STORE_READ_TOKEN",),
    image="registry.example.org/pratique:1.0",
    user="pratique",
)


def example_files():
    """Path → content: what `pratique schedule report shop` prints for each system."""
    return {
        FOLDER / system / Path(place).name: text
        for system in SYSTEMS
        for place, text in schedule_files(system, REPORT).items()
    }


if __name__ == "__main__":
    for path, text in example_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
