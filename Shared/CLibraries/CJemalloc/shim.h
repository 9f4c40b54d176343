// The allocator of every process that links it: its functions stand in place of the C library's.
#pragma once
#include <jemalloc/jemalloc.h>
