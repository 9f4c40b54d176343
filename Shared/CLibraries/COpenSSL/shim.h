// OpenSSL libssl over memory BIOs. Shims only for what the importer cannot see (macros).
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
