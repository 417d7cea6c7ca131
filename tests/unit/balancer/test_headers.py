"""The headers of requests and answers that pass the proxy."""

import pytest
from multidict import CIMultiDict

from pratique.balancer.headers import back, onward, origin_form


def test_headers_of_a_single_connection_are_not_forwarded():
    given = [
        ("Connection", "keep-alive, X-Mine"),
        ("connection", "X-Other"),
        ("Keep-Alive", "timeout=5"),
        ("X-Mine", "1"),
        ("x-other", "1"),
        ("TE", "trailers"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Proxy-Authorization", "Basic x"),
        ("Host", "shop"),
    ]
    assert sorted(onward(CIMultiDict(given), client="1.2.3.4", scheme="http")) == [
        "Host",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
    ]


def test_the_client_is_appended_to_x_forwarded_for():
    given = CIMultiDict([("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "8.8.8.8"), ("Host", "shop:80")])
    found = onward(given, client="1.2.3.4", scheme="http")
    assert found.getall("X-Forwarded-For") == ["9.9.9.9, 8.8.8.8, 1.2.3.4"]
    assert (found["X-Forwarded-Proto"], found["X-Forwarded-Host"], found["Host"]) == ("http", "shop:80", "shop:80")


def test_x_forwarded_headers_of_an_earlier_proxy_are_kept():
    given = CIMultiDict({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"})
    found = onward(given, client="1.2.3.4", scheme="http")
    assert (found["X-Forwarded-Proto"], found["X-Forwarded-Host"]) == ("https", "shop.example")


def test_an_answer_keeps_all_cookies_and_names_its_revision():
    given = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "close"), ("x-pratique-revision", "forged")]
    found = back(CIMultiDict(given), "r2")
    assert found.getall("Set-Cookie") == ["a=1", "b=2"]
    assert found.getall("X-Pratique-Revision") == ["r2"]
    assert "Connection" not in found


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a/../b//c?q=1&r=%20#x", "/a/../b//c?q=1&r=%20"),
        ("//evil.example/x", "//evil.example/x"),
        ("/@evil.example", "/@evil.example"),
        ("http://shop/a?b", "/a?b"),
        ("HTTP://shop", "/"),
        ("http://shop?q", "/?q"),
        ("http://user@evil.example:1/a", "/a"),
        ("/caf\udcc3\udca9", "/caf%C3%A9"),
        ("/%41%zz", "/%41%zz"),
        ("@evil.example/", None),
        ("evil.example:443", None),
        (":80", None),
        ("*", None),
        ("", None),
        ("file:///etc/passwd", None),
    ],
)
def test_a_target_is_forwarded_as_a_path_or_refused(target, expected):
    assert origin_form(target) == expected
