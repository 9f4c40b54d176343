#!/bin/sh
# Makes Protos/Generated from the contracts: C by protoc-c, Swift by our own plugin.
#
#   Protos/generate.sh            writes what has changed
#   Protos/generate.sh --check    writes nothing; fails where the committed files are not what the contracts say
#
# Installs nothing. The plugin is built with `swift build`, unless PROTOC_GEN_VIGIL names one that is built already.
set -eu

protos=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$protos")
mode=write
case "${1-}" in
'') ;;
--check) mode=check ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac

missing=
for tool in protoc protoc-gen-c; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "generate.sh: missing:$missing (Debian: protobuf-compiler, protobuf-c-compiler, libprotobuf-dev)" >&2
    exit 69
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$protos"

names() {
    find "$@" -name '*.proto' | LC_ALL=C sort
}
standard=$(names google/protobuf google/rpc grpc/health grpc/reflection | grep -v '^google/protobuf/compiler/')
contracts=$(names vigil grpc/testing)

# Without comments, so that the C needs none.
# shellcheck disable=SC2086
protoc -I. --include_imports --descriptor_set_out="$scratch/all.pb" \
    google/protobuf/descriptor.proto google/protobuf/compiler/plugin.proto $standard $contracts

# protoc-c puts headers beside sources; SwiftPM wants them in a folder of their own.
c_module() {
    folder=$1
    shift
    mkdir -p "$scratch/out/$folder"
    protoc --descriptor_set_in="$scratch/all.pb" --c_out="$scratch/out/$folder" "$@"
    (cd "$scratch/out/$folder" && find . -name '*.h') | while read -r header; do
        mkdir -p "$scratch/out/$folder/include/$(dirname "$header")"
        mv "$scratch/out/$folder/$header" "$scratch/out/$folder/include/$header"
    done
}

# Puts what was made into Protos/Generated, or says what differs from it.
settle() {
    for folder in "$@"; do
        made=$scratch/out/$folder
        kept=$protos/Generated/$folder
        diff -rq "$made" "$kept" >"$scratch/diff" 2>&1 && continue
        if [ "$mode" = check ]; then
            echo "generate.sh: $folder is stale; run Protos/generate.sh" >&2
            sed "s|$scratch/out|made|; s|$protos/Generated|committed|" "$scratch/diff" >&2
            exit 1
        fi
        # Files that stay the same keep their times, so that nothing is built again for them.
        mkdir -p "$kept"
        (cd "$made" && find . -type f) | while read -r file; do
            cmp -s "$made/$file" "$kept/$file" && continue
            mkdir -p "$(dirname "$kept/$file")"
            cp "$made/$file" "$kept/$file"
        done
        (cd "$kept" && find . -type f) | while read -r file; do
            [ -e "$made/$file" ] || rm "$kept/$file"
        done
        find "$kept" -type d -empty -delete
        echo "wrote $folder"
    done
}

c_module Descriptors google/protobuf/descriptor.proto google/protobuf/compiler/plugin.proto
# shellcheck disable=SC2086
c_module C $standard $contracts
settle Descriptors C

# The plugin reads its input through Generated/Descriptors, hence after them.
if [ -z "${PROTOC_GEN_VIGIL-}" ]; then
    swift build --package-path "$root" --product protoc-gen-vigil >&2
    PROTOC_GEN_VIGIL=$(swift build --package-path "$root" --product protoc-gen-vigil --show-bin-path)/protoc-gen-vigil
fi
mkdir -p "$scratch/out/Standard" "$scratch/out/Swift"
# shellcheck disable=SC2086
protoc -I. --plugin=protoc-gen-vigil="$PROTOC_GEN_VIGIL" --vigil_out="$scratch/out/Standard" $standard
# shellcheck disable=SC2086
protoc -I. --plugin=protoc-gen-vigil="$PROTOC_GEN_VIGIL" --vigil_out="$scratch/out/Swift" \
    --vigil_opt=services=true,import=StandardContracts $contracts
settle Standard Swift
