#!/usr/bin/env bash
# Installs PostGIS, nghttpd and what draws without a graphics card, and builds the services that are measured.
set -euo pipefail
cd "$(dirname "$0")/../../.."
missing=()
for package in postgresql-15-postgis-3 nghttp2-client nghttp2-server libgl1-mesa-dri libegl1; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
  root=(); [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
for product in ingestion-gateway feature-store model-server auth-gateway heatmap-tiles; do
  swift build --configuration release --static-swift-stdlib --product "$product"
done
