// nghttp2: the HTTP/2 session, a state machine without I/O.
#pragma once
#include <nghttp2/nghttp2.h>
