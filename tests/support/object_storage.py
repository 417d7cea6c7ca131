"""Object storage on loopback: the part of S3 that Delta Lake uses, for tests of s3:// addresses.

It keeps objects in memory and checks no signature. It supports `If-None-Match: *`, which commits rely on.
"""

import hashlib
import itertools
import subprocess
import sys
import threading
from contextlib import contextmanager
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape


class Bucket(BaseHTTPRequestHandler):
    """One request; the server holds the objects."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet, or Nagle's algorithm holds it up for 40 ms

    def log_message(self, *_):
        pass

    def do_PUT(self):
        key, query, body = self._asked()
        if "partNumber" in query:
            self.server.uploads[query["uploadId"]][int(query["partNumber"])] = body
            return self._answer(200, headers={"ETag": etag(body)})
        with self.server.lock:
            if self.headers.get("If-None-Match") == "*" and key in self.server.objects:
                return self._error(412, "PreconditionFailed")
            self.server.objects[key] = (body, formatdate(usegmt=True))
        return self._answer(200, headers={"ETag": etag(body)})

    def do_POST(self):
        key, query, body = self._asked()
        if "delete" in query:
            names = [node.text for node in ET.fromstring(body).iter() if node.tag.endswith("Key")]
            for name in names:
                self.server.objects.pop(name, None)
            gone = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            return self._answer(200, f"<DeleteResult>{gone}</DeleteResult>".encode())
        if "uploads" in query:
            upload = str(next(self.server.numbers))
            self.server.uploads[upload] = {}
            return self._answer(200, f"<R><UploadId>{upload}</UploadId></R>".encode())
        parts = self.server.uploads.pop(query["uploadId"])
        whole = b"".join(part for _, part in sorted(parts.items()))
        self.server.objects[key] = (whole, formatdate(usegmt=True))
        return self._answer(200, f"<R><ETag>{escape(etag(whole))}</ETag></R>".encode())

    def do_GET(self):
        key, query, _ = self._asked()
        if "list-type" in query:
            return self._list(query)
        if key not in self.server.objects:
            return self._error(404, "NoSuchKey")
        body, changed = self.server.objects[key]
        headers = {"ETag": etag(body), "Last-Modified": changed}
        wanted = self.headers.get("Range")
        if wanted is None:
            return self._answer(200, body, headers)
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(body) - int(last)
        end = min(int(last) + 1, len(body)) if first and last else len(body)
        return self._answer(206, body[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})

    do_HEAD = do_GET  # noqa: N815

    def do_DELETE(self):
        key, _, _ = self._asked()
        self.server.objects.pop(key, None)
        self._answer(204)

    def _list(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        after = query.get("start-after", "")
        entries, folders = [], set()
        for key, (body, changed) in sorted(self.server.objects.items()):
            if not key.startswith(prefix) or key <= after:
                continue
            rest = key.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            iso = parsedate_to_datetime(changed).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            entries.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{iso}</LastModified>"
                f"<ETag>{escape(etag(body))}</ETag><Size>{len(body)}</Size></Contents>"
            )
        common = [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)]
        text = "".join(["<ListBucketResult><IsTruncated>false</IsTruncated>", *entries, *common, "</ListBucketResult>"])
        self._answer(200, text.encode())

    def _asked(self):
        parts = urlsplit(self.path)
        key = unquote(parts.path).lstrip("/").partition("/")[2]
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return key, query, self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _error(self, status, code):
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


@contextmanager
def serving():
    """Run the storage in its own process (deltalake holds the GIL while it uploads); yields its address."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.daemon_threads = True
        server.objects, server.uploads = {}, {}
        server.lock, server.numbers = threading.Lock(), itertools.count()
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
