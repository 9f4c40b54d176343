// protobuf-c: the codec under the generated contracts.
#pragma once
#include <protobuf-c/protobuf-c.h>
