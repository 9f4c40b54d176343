// The C library's allocator: its settings, which Swift's own module leaves out.
#pragma once
#include <malloc.h>
