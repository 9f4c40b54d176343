// libcurl: outbound HTTP and SMTP.
#pragma once
#include <curl/curl.h>
