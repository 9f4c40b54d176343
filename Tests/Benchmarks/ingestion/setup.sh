#!/usr/bin/env bash
# The services that are measured, as their own executables.
set -euo pipefail
cd "$(dirname "$0")/../../.."
for product in ingestion-gateway feature-store model-server; do
  swift build --configuration release --static-swift-stdlib --product "$product"
done
