/* Listening sockets: of an address as --listen takes it, or passed to us (passed.h). Loop
 * thread, and start-up. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "err.h"

struct listener {
    int fd;                /* owned; -1: closed */
    char url[160];         /* "http://127.0.0.1:8740" with the port that was picked, "unix:/path" */
    bool beyond;           /* other machines may reach it */
    char socket_path[108]; /* to be unlinked, or "" */
};

/* Binds and listens on "127.0.0.1:8740", "[::1]:8740" or "unix:/path" (mode 0660; a socket that
 * nobody answers on is replaced). Refuses an address beyond loopback unless insecure.
 * Errors: ERR_FIELD at "--listen", ERR_IO; then nothing is open. */
bool listener_open(struct listener *ret, const char *address, bool insecure, struct err *err);
/* Takes over a descriptor that was passed, also on failure; name: what it is called, or "". It must
 * be a stream socket that listens already, of TCP or Unix; what --listen may not, it may not. The
 * path of a Unix socket stays its maker's: it is never removed. Errors: ERR_FIELD at
 * "LISTEN_FDS". */
bool listener_adopt(struct listener *ret, int fd, const char *name, bool insecure, struct err *err);
/* Where an address leads, without opening anything; what listener_open would refuse of the address
 * itself is refused. Errors: ERR_FIELD at "--listen". */
bool listener_check(const char *address, bool insecure, struct sockaddr_storage *ret,
                    socklen_t *len, struct err *err);
/* TLS is spoken on it: its URL is to say so. */
void listener_secure(struct listener *listener);
/* Closes it and removes its own Unix socket; a closed one stays so. */
void listener_close(struct listener *listener);

#endif
