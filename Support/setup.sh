#!/usr/bin/env bash
# Installs what building, running or testing Vigil needs and this machine lacks. Says nothing when nothing is missing.
#   Support/setup.sh build|run|test
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}

fail() {
  printf 'vigil: %s\n' "$*" >&2
  exit 1
}

# Swift ------------------------------------------------------------------------------------------------------------------
command -v swift >/dev/null || fail "Swift is not on the PATH; install Swift 6.3 or newer from https://www.swift.org/install/linux/"
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
read -r major minor <<<"${version:-0 0}"
((major > 6 || (major == 6 && minor >= 3))) || fail "Swift ${major}.${minor} is on the PATH, but 6.3 or newer is needed"

# Room for a release build -----------------------------------------------------------------------------------------------
needed_mib=2048
[ -d .build ] || needed_mib=6144
free_mib=$(df -Pm . | awk 'NR == 2 { print $4 }')
((free_mib >= needed_mib)) || fail "only ${free_mib} MiB are free in $PWD; ${needed_mib} MiB are needed to build"

# Debian packages --------------------------------------------------------------------------------------------------------
packages=(
  libnghttp2-dev libssl-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libprotobuf-dev libpq-dev
  libxgboost-dev libcurl4-openssl-dev libpng-dev libbrotli-dev libjemalloc-dev zlib1g-dev libxml2-dev libstdc++-12-dev pkg-config git ca-certificates tzdata
)
optional=()
case $purpose in
  run) packages+=(postgresql-15 curl python3 python3-pip util-linux) ;;
  # grpcio is the foreign client of the interoperability tests, Chromium the browser of the end-to-end tests.
  test)
    packages+=(postgresql-15 curl python3 python3-pip util-linux openssl)
    optional=(python3-grpcio python3-grpc-tools python3-protobuf python3-venv chromium)
    ;;
esac

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 ||
    { tail -n 15 "$log" >&2; fail "apt-get could not install: $*"; }
}

# Debian would start a cluster of its own with the server package; ours is private, so that one is not wanted.
install_postgresql() {
  local settings=/etc/postgresql-common/createcluster.conf
  install_packages postgresql-common
  as_root cp -p "$settings" "$settings.before-vigil"
  echo 'create_main_cluster = false' | as_root tee -a "$settings" >/dev/null
  local status=0
  (install_packages postgresql-15) || status=$?
  as_root mv "$settings.before-vigil" "$settings"
  return "$status"
}

may_install() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

if command -v dpkg-query >/dev/null; then
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  missing=()
  for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
  if ((${#missing[@]} > 0)); then
    may_install || fail "these packages are missing, and there is no sudo: run as root: apt-get install ${missing[*]}"
    printf 'Installing %s\n' "${missing[*]}"
    as_root apt-get update -q >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "apt-get update failed"; }
    others=()
    for package in "${missing[@]}"; do [ "$package" = postgresql-15 ] || others+=("$package"); done
    ((${#others[@]} == 0)) || install_packages "${others[@]}"
    is_installed postgresql-15 || [[ ! " ${missing[*]} " == *" postgresql-15 "* ]] || install_postgresql
  fi
  # Tests that need these say so and are skipped without them.
  for package in "${optional[@]}"; do
    is_installed "$package" || { may_install && (install_packages "$package"); } || true
  done
else
  command -v pkg-config >/dev/null || fail "pkg-config is missing"
  for library in libnghttp2 openssl libprotobuf-c libpq libcurl libpng libbrotlienc jemalloc zlib; do
    pkg-config --exists "$library" || fail "the development files of $library are missing (pkg-config does not find them)"
  done
fi

# What drives the browser of the end-to-end tests; without it that test says so and is skipped ---------------------------
drives_browser() { "$1" -c 'import playwright, axe_playwright_python' 2>/dev/null; }
if [ "$purpose" = test ] && ! drives_browser python3 && ! drives_browser .build/browser/bin/python; then
  { python3 -m venv .build/browser && .build/browser/bin/python -m pip install --quiet playwright==1.65.2 axe-playwright-python==0.1.8; } >/dev/null 2>&1 ||
    rm -rf .build/browser
fi

# The map library --------------------------------------------------------------------------------------------------------
[ "$purpose" = build ] || Support/maplibre.sh .build/maplibre ||
  printf 'vigil: the map library could not be fetched; the dashboard will have no map\n' >&2
