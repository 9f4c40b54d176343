// protobuf-c: the codec under the generated contracts.
#pragma once
#include <protobuf-c/protobuf-c.h>

// What protobuf-c points a string field at that is absent. Its declaration has no length, which the importer drops.
static inline const char *vigil_protobuf_c_empty_string(void) {
    return protobuf_c_empty_string;
}
