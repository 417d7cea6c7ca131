"""What the configuration of an image says, and that no secret is ever shown."""

import json

import pytest

from pratique.release.image_facts import HIDDEN, compare_settings, flattened, image_settings, is_secret, safe


def config(**settings):
    return {"architecture": "amd64", "os": "linux", "config": settings}


def changes(before, after):
    return {(one.part, one.key): (one.change, one.before, one.after) for one in compare_settings(before, after)}


def test_every_part_of_the_configuration_is_compared():
    before = image_settings(
        config(Env=["A=1", "B"], User="app", Cmd=["x"], ExposedPorts={"80/tcp": {}}, Labels={"l": "1"})
    )
    after = image_settings(config(
        Env=["A=2", "C=3"], Entrypoint=["x", "y"], ExposedPorts={"90/tcp": {}}, Labels={"l": "2"},
        Healthcheck={"Test": ["CMD", "curl"], "Retries": 3}, Volumes={"/data": {}}, WorkingDir="/srv",
    ))  # fmt: skip
    assert changes(before, after) == {
        ("env", "A"): ("changed", "1", "2"),
        ("env", "B"): ("removed", "", None),
        ("env", "C"): ("new", None, "3"),
        ("user", "user"): ("removed", "app", None),
        ("command", "command"): ("removed", "x", None),
        ("entrypoint", "entrypoint"): ("new", None, "x y"),
        ("port", "80/tcp"): ("removed", "yes", None),
        ("port", "90/tcp"): ("new", None, "yes"),
        ("volume", "/data"): ("new", None, "yes"),
        ("folder", "folder"): ("new", None, "/srv"),
        ("label", "l"): ("changed", "1", "2"),
        ("health check", "test"): ("new", None, "CMD curl"),
        ("health check", "retries"): ("new", None, "3"),
    }


@pytest.mark.parametrize("key", [
    "DB_PASSWORD", "dbPassword", "API_KEY", "apiKey", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SENTRY_DSN", "PGPASSWORD",
    "DBPASS", "PGPASS", "db.pass", "AUTHKEY", "ENCKEY", "DEPLOYKEY", "RSAKEY", "TRUSTED_KEYS", "SESSION_ID", "sessionId", "GITHUB_PAT", "HMAC", "OTP_SEED",
    "APP_PIN", "BEARER", "SAS", "SLACK_WEBHOOK_URL", "AzureWebJobsConnectionString",
    "SSH_PRIVATE_KEY", "KEY", "MYSQL_PWD", "BASIC_AUTH", "JWT", "SESSION_COOKIE", "DB_CREDS", "signing.key", "PASSPHRASE",
])  # fmt: skip
def test_values_of_such_names_are_hidden(key):
    assert is_secret(key, "x")
    (one,) = compare_settings({("env", key): "hunter1"}, {("env", key): "hunter2"})
    assert (one.before, one.after, one.change) == (HIDDEN, HIDDEN, "changed")


@pytest.mark.parametrize(
    "key",
    [
        "LOG_LEVEL",
        "AUTHOR",
        "MONKEY",
        "KEYBOARD",
        "COMPASS_URL",
        "PATH",
        "PASSENGERS",
        "SALTY",
        "BYPASS_CACHE",
        "PATTERN",
        "PINGS",
        "TURKEY",
        "SEEDLING",
        "SIGNAL",
    ],
)
def test_other_names_are_not(key):
    assert not is_secret(key, "x")


@pytest.mark.parametrize("value", ["env:NAME", "file:secret.txt"])
def test_references_are_hidden(value):
    (one,) = compare_settings({("env", "X"): value}, {("env", "X"): "plain"})
    assert (one.before, one.after) == (HIDDEN, HIDDEN)


@pytest.mark.parametrize("value", [
    "postgres://shop:hunter2@db/x", "--password=hunter2", image_settings({"config": {"Cmd": ["run", "--api-key", "hunter2"]}})["command", "command"], "curl -H 'Authorization: Bearer hunter2hunter2'",
    "ghp_hunter2hunter2hunter2", "-Xmx1g -Ddb.pass=hunter2 -Dx=1", '{"pass": "hunter2", "key": "hunter2"}', "https://a.example/b?sv=1&sig=hunter2&se=2",
    "https://hooks.slack.com/services/T0/B0/hunter2", "mysql -u root -phunter2 shop", "redis-cli -h db -a hunter2 ping", "curl -fsu admin:x -u admin:hunter2 http://a",
    "AccountName=a;AccountKey=hunter2==;", "run --seed hunter2",
])  # fmt: skip
def test_secrets_inside_of_values_are_masked(value):
    assert "hunter2" not in safe(value)


def test_neither_a_secret_nor_a_hash_of_it_is_in_the_json():
    import hashlib  # noqa: PLC0415

    shown = json.dumps(
        [one.to_json() for one in compare_settings({("env", "TOKEN"): "hunter1"}, {("env", "TOKEN"): "hunter2"})]
    )
    for word in ("hunter", *(hashlib.new(name, b"hunter2").hexdigest()[:8] for name in ("sha256", "sha1", "md5"))):
        assert word not in shown


def test_long_and_hostile_values_are_made_safe():
    assert safe("a\x1b[2J\u202eb") == "a [2J b"
    assert len(safe("x" * 10_000)) <= 200


@pytest.mark.parametrize(
    "config", [{}, {"config": None}, {"config": {"Env": 1, "Labels": [], "ExposedPorts": "x"}}, {"config": []}]
)
def test_a_configuration_of_another_form_is_no_error(config):
    assert image_settings(config) == {}


def test_tables_of_any_depth_are_read():
    deep = value = {}
    for _ in range(3000):
        value["a"] = value = {}
    value["b"] = 1
    (shallow,) = flattened({"x": deep})
    assert shallow == ".".join(["x", *"a" * 49])
    assert set(flattened({"list": [deep]})) == {"list"}


def test_nested_tables_become_keys():
    assert flattened({"a": {"b": 1, "c": {}}, "d": [1, "x"], "e": "t"}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": '[1, "x"]',
        "e": "t",
    }
