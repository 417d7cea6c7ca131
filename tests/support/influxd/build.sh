#!/bin/sh
# Builds InfluxDB OSS 2.8.0 for the tests, from its public Go module, and prints the path of the program. It needs Go 1.24
# or newer, Rust 1.72 or newer (rustup) and a C compiler; the first build takes about ten minutes, and a cached one none.
# build.sh --missing only prints what is missing here.
set -eu
version=2.8.0
pkg_config=0.2.14
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pratique
program=$cache/influxd-$version-pkg-config-$pkg_config

missing=
for tool in go cargo rustc cc; do command -v "$tool" >/dev/null || missing="$missing $tool"; done
if [ "${1:-}" = --missing ]; then
  [ -x "$program" ] || [ -n "${PRATIQUE_INFLUXD:-}" ] || echo "${missing# }"
  exit 0
fi
mkdir -p "$cache"
# whoever waits for the program waits for this lock
exec 9>"$program.lock"
flock 9
if [ ! -x "$program" ]; then
  if [ -n "$missing" ]; then
    echo "influxd $version cannot be built without$missing: install Go and rustup, or name a program in PRATIQUE_INFLUXD" >&2
    exit 1
  fi
  work=$(mktemp -d "$cache/influxd-build-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cp "$here/go.mod" "$here/go.sum" "$here/keep.go" "$work"
  mkdir "$work/bin"
  # cgo asks this pkg-config for flux, and it builds that with cargo
  (cd "$work" && GOFLAGS=-mod=mod GOBIN=$work/bin go install "github.com/influxdata/pkg-config@v$pkg_config")
  # flux turns warnings into errors, of which newer compilers have more; cargo gives this option itself for dependencies
  cat >"$work/bin/rustc-with-warnings" <<'SCRIPT'
#!/bin/sh
case " $* " in *" --cap-lints"*) exec "$@" ;; *) exec "$@" --cap-lints=warn ;; esac
SCRIPT
  chmod +x "$work/bin/rustc-with-warnings"
  # flux names an old toolchain, which rustup would download
  (cd "$work" && PATH=$work/bin:$PATH RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} \
    RUSTC_WRAPPER=$work/bin/rustc-with-warnings CARGO_BUILD_JOBS=2 CGO_ENABLED=1 \
    go build -p 2 -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=v$version" \
    -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd) >&2
  mv "$work/influxd" "$program"
fi
echo "$program"
