"""Secrets in the lines of logs, and what lines of one kind have in common."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.masked_text import MASK, masked, message_of

SECRET = "hUnter2-s3cr+t/=="
FORMS = [
    "{key}={secret}",
    "{key}: {secret}",
    "{key} = '{secret}'",
    '{key}="{secret}"',
    '{{"user": "a", "{key}": "{secret}", "n": 1}}',
    '{{"{key}":"{secret}"}}',
    "{{'{key}': '{secret}'}}",
    r'"{{\"{key}\": \"{secret}\"}}"',
    "GET /login?a=1&{key}={secret}&b=2 HTTP/1.1",
    "run --{key} {secret} --verbose",
    "run --{key}={secret}",
    "env {key} => {secret}",
]
KEYS = [
    "password",
    "PASSWD",
    "db_password",
    "DB.PASSWORD",
    "client_secret",
    "api_key",
    "apiKey",
    "X-Api-Key",
    "access_token",
]
KEYS += ["auth-token", "SESSION_ID", "private_key", "aws_secret_access_key", "refreshToken", "credentials", "pwd"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_the_value_of_a_key_that_is_named_like_a_secret_is_masked(form, key):
    text = f"ERROR at /cart: {form.format(key=key, secret=SECRET)}"
    assert SECRET not in masked(text)
    assert MASK in masked(text)
    assert masked(text).startswith("ERROR at /cart: ")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}",
        f"> Proxy-Authorization: Digest username=a, response={SECRET}",
        f'{{"headers": {{"Authorization": "Bearer {SECRET}"}}}}',
        f"Cookie: sid={SECRET}; theme=dark",
        f"Set-Cookie: sid={SECRET}; HttpOnly",
        f"sending Bearer {SECRET} upstream",
        f"connect to postgres://shop:{SECRET.replace('/', '')}@db:5432/shop failed",
        "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "key AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "glpat-16C7e42F292c6912E771",
        "-----BEGIN RSA PRIVATE KEY-----MIIEow",
        f"login user=a pass={SECRET}",
        f'{{"pass": "{SECRET}"}}',
        f"java -Ddb.pass={SECRET} -jar a.jar",
        f"PUT https://a.blob.example/b?sv=1&sig={SECRET}",
        f"POST https://hooks.slack.com/services/T0/B0/{SECRET}",
        f"POST https://discord.com/api/webhooks/1/{SECRET} 204",
        f"mysqldump -h db -u shop -p{SECRET} shop",
        f"mysql -p'{SECRET} {SECRET}' shop",
        f"sshpass -p {SECRET} ssh a",
        f"redis-cli -h db -a {SECRET} ping",
        f"curl -s -u admin:{SECRET} https://a",
        f"curl --user 'admin:{SECRET} {SECRET}' https://a",
    ],
)
def test_headers_addresses_and_known_tokens_are_masked(text):
    found = masked(text)
    for hidden in (SECRET, SECRET.replace("/", ""), "c2lnbmF0dXJl", "AKIAIOSF", "16C7e42F", "MIIEow"):
        assert hidden not in found


@pytest.mark.parametrize(
    "text",
    [
        "GET /checkout 503 in 12 ms at http://shop:8080/a?x=1",
        "order 4711 of user 12 failed: connection refused",
        'java.lang.IllegalStateException: pool "main" is exhausted (author: none)',
        "key expired; keyboard=de; monkey: 7",
        "compass: north; bypass=no; killed: sig=11",
        "mysql -u root -p shop; redis-cli -h db ping; curl -u admin https://a:1/b; docker run -p 80:80 a",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert masked(text) == text


@given(st.text(alphabet="abcXYZ019+/=_.-!$%", min_size=1).filter(lambda text: "***" not in text), st.sampled_from(KEYS))
def test_any_quoted_secret_is_masked(secret, key):
    secret = f"{secret}Q7Q"
    assert secret not in masked(f'x {{"{key}": "{secret}"}} y')


@pytest.mark.parametrize(
    "part",
    [
        "password",
        "a=",
        "token=\\",
        '"',
        "Cookie:",
        "://",
        "--pwd ",
        "-",
        "mysql ",
        "curl -u",
        "pass",
        "hooks.slack.com/a/",
        "?sig=",
        "eyJ",
        "0",
        "f0",
    ],
)
def test_no_text_takes_long(part):
    text = part * 20_000
    began = time.process_time()
    message_of(masked(text))
    assert time.process_time() - began < 1


def test_lines_of_one_kind_have_one_message():
    lines = [
        "2026-11-20T14:00:01.123Z order 4711 (550e8400-e29b-41d4-a716-446655440000) took 12.5 ms at 0x7f3a, id a1b2c3d4e5",
        "2026-11-20T14:07:59.9Z order 12 (123e4567-e89b-12d3-a456-426614174000) took 3 ms at 0x1, id 0f0f0f0f0f",
    ]
    assert set(map(message_of, lines)) == {"<time> order <n> (<uuid>) took <n> ms at <hex>, id <hex>"}
    assert message_of('10.0.0.1 - [20/Nov/2026:14:00:00 +0000] "GET /v2/a" 200') == '<n> - [<time>] "GET /v2/a" <n>'
    assert message_of("deadbeef feed cafe") == "deadbeef feed cafe"
