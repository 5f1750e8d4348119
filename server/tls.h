/* TLS: the certificate that this server shows, and, for mutual TLS, the authority that must vouch
 * for its clients'.
 *
 * SIGHUP has the files read again. A connection keeps the keys that it began with until it ends.
 * Who has no certificate, or one that is not good, is not let beyond the handshake. TLS 1.2 and
 * 1.3, with forward secrecy; no session is resumed, so that whom the authority's file leaves out is
 * out. Process lifetime; thread: the loop's. Sessions are GnuTLS's, as void * for who does not know
 * it. */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>

#include "err.h"

#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA"

struct tls;
struct tls_keys; /* what one reading of the files gave */

/* PEM files: a certificate with those that lead to its authority, its key, and, unless NULL, the
 * authorities of clients. cert and key both NULL: no TLS, *ret is NULL. A key that anybody may read
 * is refused. Errors: ERR_FIELD at "--tls-cert", "--tls-key", "--tls-client-ca"; ERR_MEMORY. */
bool tls_create(const char *cert, const char *key, const char *client_ca, struct tls **ret,
                struct err *err);
void tls_free(struct tls *tls); /* NULL: nothing happens */
/* Reads the files again. On errors, those of tls_create, what was read before goes on. tls NULL:
 * nothing happens. */
bool tls_reload(struct tls *tls, struct err *err);
/* Whether clients need a certificate; tls NULL: they do not. */
bool tls_mutual(const struct tls *tls);
/* Logs until when the certificate is good; tls NULL: nothing. */
void tls_log(const struct tls *tls);

/* A connection's session, before its handshake, gets the keys. To be given back by tls_end when it
 * is over. NULL: there is no memory, and the handshake is to fail. */
struct tls_keys *tls_begin(struct tls *tls, void *session);
void tls_end(struct tls_keys *keys);
/* The common name of the certificate that the client came with, malloc'd; NULL if it has not just
 * one. Its handshake is over, so that it has been verified. */
char *tls_peer_name(void *session);

#endif
