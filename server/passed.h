/* Listening sockets that whoever started us has opened already: sd_listen_fds(3), systemd's .socket
 * units. They are descriptors 3, 4, ...; LISTEN_FDS tells how many, LISTEN_PID for which process,
 * LISTEN_FDNAMES what they are called. Start-up only, before anything else is opened. */
#ifndef PASSED_H
#define PASSED_H

#include <stddef.h>

#include "err.h"
#include "options.h"

#define PASSED_FIRST 3
#define PASSED_NAME_MAX 63 /* what is shown of a name */

struct passed {
    size_t n; /* 0: none */
    char names[LISTEN_MAX][PASSED_NAME_MAX + 1];
};

/* Takes the variables out of the environment, and keeps the descriptors from programs that we
 * start. What they are is for listener_adopt to see. Errors: ERR_FIELD at "LISTEN_FDS". */
bool passed_take(struct passed *ret, struct err *err);

#endif
