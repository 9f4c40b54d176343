#!/usr/bin/env bash
# The service that is measured, Redis from Debian, and Feast in its own Python environment.
set -euo pipefail
cd "$(dirname "$0")/../../.."
swift build --configuration release --static-swift-stdlib --product feature-store
if ! command -v redis-server >/dev/null; then
  if [ "$(id -u)" = 0 ]; then as=; else as=sudo; fi
  $as apt-get install -y -qq redis-server >/dev/null
fi
python=.build/bench-feast
[ -x "$python/bin/python" ] || python3 -m venv "$python"
"$python/bin/python" -c 'import feast' 2>/dev/null || "$python/bin/pip" install --quiet --disable-pip-version-check feast==0.67.0
