// zlib: gzip and deflate.
#pragma once
#include <zlib.h>
