/* sigmad as a service of systemd (Type=notify): what it is told, and when.
 *
 *   READY=1              it answers
 *   STATUS=...           one line for systemctl status, when it changes, once a second at most
 *   RELOADING=1          SIGHUP came; READY=1 follows
 *   STOPPING=1           SIGTERM came; with the time that the end may take (EXTEND_TIMEOUT_USEC)
 *   WATCHDOG=1           at half of WATCHDOG_USEC, while the daemon is well: the loop turns, or
 *                        nothing would be sent, and the pool's threads have answered since the last
 *                        time. A disk that hangs is not looked at: another start would hang, too.
 *
 * Without a manager that listens (NOTIFY_SOCKET) all of it does nothing. Thread: the loop's. */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct server;
struct service;

/* Borrows the server. Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment.
 * Errors: ERR_MEMORY. */
bool service_create(struct server *server, struct service **ret, struct err *err);
/* It begins to answer: from now on it tells its status, and is watched. The pool is there. */
void service_ready(struct service *service);
/* What comes before reload, and what after it. */
void service_reloading(struct service *service);
void service_reloaded(struct service *service);
/* The server drains. */
void service_stopping(struct service *service);
/* Nothing is told any more; the loop has to run once more. */
void service_stop(struct service *service);
/* After service_stop, and after the pool's end. */
void service_free(struct service *service);

#define SERVICE_STATUS_MAX 200
/* "3 models, 1 data set, job 7 on digits: epoch 12 of 30, 2 jobs queued". */
void service_status(const struct server *server, char *ret, size_t len);

#endif
