/* SHA-256, by GnuTLS. Thread: any. */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "labels.h"
#include "net.h"

#define DIGEST_HEX 65 /* with its NUL */

struct digest {
    void *handle; /* owned */
};

bool digest_begin(struct digest *digest, struct err *err);
void digest_add(struct digest *digest, const void *bytes, size_t len);
/* 64 hex digits; releases the digest. ret may be NULL, to release it only. */
void digest_end(struct digest *digest, char *ret);
/* The 32 bytes themselves. */
void digest_end_raw(struct digest *digest, unsigned char *ret);

#define DIGEST_BYTES_A_US 400.0 /* about, for estimates */
/* All of it at once, 64 hex digits. */
bool digest_bytes(const void *bytes, size_t len, char *ret, struct err *err);

/* Of a version: the spec's members as msg_spec_encode writes them, then for each layer its weights
 * and biases in logical order, then shift and scale, and those of
 * the targets, if there are some, all little-endian float32.
 * Equal digests, equal bits. */
bool digest_net(const struct net *net, const struct labels *labels, char *ret, struct err *err);

#endif
