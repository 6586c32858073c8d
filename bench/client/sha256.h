/* SHA-256 (FIPS 180-4). The state can be copied: a common beginning is hashed once. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

#ifdef WITH_OPENSSL
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
typedef SHA256_CTX sha256;
#else
typedef struct {
  uint32_t h[8];
  uint64_t length;
  uint8_t rest[64];
} sha256;
#endif

void sha256_begin(sha256 *s);
void sha256_add(sha256 *s, const void *bytes, size_t length);
/* Writes "sha256:" and 64 digits and a zero: 72 bytes. */
void sha256_digest(sha256 s, char *out);

#endif
