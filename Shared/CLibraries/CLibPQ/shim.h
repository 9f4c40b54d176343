// libpq: the PostgreSQL client.
#pragma once
#include <libpq-fe.h>
