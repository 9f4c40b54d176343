// What protobuf-c takes to decode and encode one message of the codec benchmark: prints nanoseconds of CPU time.
//
//   codec FILE ITERATIONS     FILE holds the message's encoding
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vigil/records/v1/records.pb-c.h"

// An arena as a server would have one: a block that is used again for each message.
static unsigned char arena[64 << 10];
static size_t used;

static void *take(void *data, size_t count) {
    (void)data;
    size_t start = (used + 15) & ~(size_t)15;
    if (start + count > sizeof arena) return NULL;
    used = start + count;
    return arena + start;
}

static void give_back(void *data, void *pointer) {
    (void)data;
    (void)pointer;
}

int main(int count, char **arguments) {
    if (count != 3) return 64;
    static unsigned char bytes[16 << 10], packed[16 << 10];
    FILE *file = fopen(arguments[1], "rb");
    if (!file) return 66;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    long iterations = atol(arguments[2]);
    ProtobufCAllocator allocator = {take, give_back, NULL};
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (long i = 0; i < iterations; i++) {
        used = 0;
        Vigil__Records__V1__Transaction *message = vigil__records__v1__transaction__unpack(&allocator, size, bytes);
        if (!message) return 1;
        if (vigil__records__v1__transaction__get_packed_size(message) != size) return 1;
        if (vigil__records__v1__transaction__pack(message, packed) != size) return 1;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    if (memcmp(bytes, packed, size) != 0) return 1;
    double nanoseconds = (after.tv_sec - before.tv_sec) * 1e9 + (after.tv_nsec - before.tv_nsec);
    printf("%f\n", nanoseconds / iterations);
    return 0;
}
