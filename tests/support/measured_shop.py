"""A shop whose application exposes a counter of its requests in Prometheus's text format."""

from support.shop_fixture import Shop

ANSWER = "status, body = await answer(method, path)"
COUNTED = """if path == "/metrics":
                status, body = 200, exposed()
            else:
                status, body = await answer(method, path)
                if path != "/healthz":
                    COUNTS[method, status] = COUNTS.get((method, status), 0) + 1"""
METRICS = '''
COUNTS = {}
STARTED = __import__("time").time()


def exposed():
    """The counters in Prometheus's text format."""
    lines = [f'http_requests_total{{method="{method}",code="{code}"}} {n}' for (method, code), n in COUNTS.items()]
    return "\\n".join([*lines, f"process_start_time_seconds {STARTED}", ""])


async def serve(reader, writer):'''


class MeasuredShop(Shop):
    """A shop whose application exposes a counter of its requests."""

    command_limit_s = 280

    def make(self, revision, failing=None):
        super().make(revision, failing)
        app = self.folder / "releases" / revision / "app.py"
        text = app.read_text()
        assert ANSWER in text
        app.write_text(text.replace(ANSWER, COUNTED).replace("\nasync def serve(reader, writer):", METRICS))
        return revision
