#!/usr/bin/env bash
# Installs the peers of the RPC benchmarks and builds those of our own writing under .build/bench-rpc.
set -euo pipefail
cd "$(dirname "$0")/../../.."
missing=()
for package in libgrpc++-dev protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libprotobuf-c-dev nghttp2-client nghttp2-server g++ openssl; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
  root=(); [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >/dev/null
fi
here=Tests/Benchmarks/rpc
out=.build/bench-rpc
mkdir -p "$out/generated"
if [ ! -x "$out/peer" ] || [ "$here/peer.cc" -nt "$out/peer" ]; then
  (cd Protos && protoc -I. --cpp_out="../$out/generated" --grpc_out="../$out/generated" \
    --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" grpc/testing/empty.proto grpc/testing/messages.proto grpc/testing/test.proto)
  # Not every word here is a shell's: pkg-config's answer is several.
  # shellcheck disable=SC2046
  g++ -O2 -std=c++17 -I"$out/generated" -o "$out/peer" "$here/peer.cc" "$out"/generated/grpc/testing/*.cc \
    $(pkg-config --cflags --libs grpc++ protobuf) -lpthread
fi
if [ ! -x "$out/codec" ] || [ "$here/codec.c" -nt "$out/codec" ]; then
  generated=Protos/Generated/C
  gcc -O2 -I"$generated/include" -o "$out/codec" "$here/codec.c" "$generated/vigil/records/v1/records.pb-c.c" \
    "$generated/google/protobuf/timestamp.pb-c.c" -lprotobuf-c
fi
if [ ! -f "$out/server.crt" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=localhost \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -keyout "$out/server.key" -out "$out/server.crt" 2>/dev/null
fi
