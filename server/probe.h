/* Asks a daemon whether it is ready, for `sigmad health`: containers that have no curl. Main
 * thread, in place of a daemon; it blocks, PROBE_SECONDS in all at most. */
#ifndef PROBE_H
#define PROBE_H

#include "err.h"

#define PROBE_SECONDS 5

/* GET /v2/health/ready of an address as --listen takes it; 200 is ready. Errors: ERR_FIELD at
 * "--listen" for an address that is none, has port 0 or, with tls, is none of a Unix socket, since
 * nothing here speaks TLS; ERR_UNAVAILABLE, at the address, else. */
bool probe_ready(const char *address, bool tls, struct err *err);

#endif
