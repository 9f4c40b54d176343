// OpenSSL libssl over memory BIOs. Shims only for what the importer cannot see (macros).
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// No compression (CRIME), no renegotiation, and an end of file without close_notify ends like one with it: HTTP/2
// tells by itself whether something is missing.
static const uint64_t vigil_ssl_options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF;
