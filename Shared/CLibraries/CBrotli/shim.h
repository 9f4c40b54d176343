// libbrotlienc: the Brotli compressor.
#pragma once
#include <brotli/encode.h>
