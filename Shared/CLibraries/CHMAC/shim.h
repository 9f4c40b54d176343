// HMAC-SHA-256 (RFC 2104) for many short messages under one key. The key's two blocks are hashed once, and a message begins with
// a copy of that state, on the stack. OpenSSL 3 offers such a copy by EVP only, with several allocations for each message, and calls
// its plain SHA-256 deprecated; it is the same code underneath.
#pragma once
#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  SHA256_CTX inner, outer;
} vigil_hmac_key;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

// The key is at most 64 bytes: a longer one would have to be hashed first. Returns 1, or 0 for a key that is too long.
static inline int vigil_hmac_key_init(vigil_hmac_key *key, const uint8_t *bytes, size_t count) {
  uint8_t block[SHA256_CBLOCK];
  if (count > sizeof block) return 0;
  memset(block, 0x36, sizeof block);
  for (size_t i = 0; i < count; i++) block[i] ^= bytes[i];
  int is_done = SHA256_Init(&key->inner) & SHA256_Update(&key->inner, block, sizeof block);
  for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
  is_done &= SHA256_Init(&key->outer) & SHA256_Update(&key->outer, block, sizeof block);
  OPENSSL_cleanse(block, sizeof block);
  return is_done;
}

// A message is added in parts.
static inline SHA256_CTX vigil_hmac_begin(const vigil_hmac_key *key) { return key->inner; }

static inline void vigil_hmac_add(SHA256_CTX *message, const void *part, size_t count) { SHA256_Update(message, part, count); }

// Writes the 32 bytes of the code.
static inline void vigil_hmac_end(const vigil_hmac_key *key, SHA256_CTX *message, uint8_t *code) {
  SHA256_Final(code, message);
  SHA256_CTX outer = key->outer;
  SHA256_Update(&outer, code, SHA256_DIGEST_LENGTH);
  SHA256_Final(code, &outer);
}
#pragma GCC diagnostic pop
