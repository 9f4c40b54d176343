// libpng: the PNG encoder.
#pragma once
#include <png.h>
