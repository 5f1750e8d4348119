/* HTTP: one listening address each, driven by the loop. With http_head.c the only place that knows
 * libmicrohttpd. */
#ifndef HTTP_H
#define HTTP_H

#include "err.h"

struct http;
struct server;

/* Listens on "127.0.0.1:8740", "[::1]:8740" or "unix:/path". Refuses an address beyond loopback
 * unless options.insecure. Errors: ERR_FIELD at "--listen", ERR_IO. */
bool http_listen(struct server *server, const char *address, struct http **ret, struct err *err);
/* "http://127.0.0.1:8740" with the port that was picked, or "unix:/path"; borrowed. */
const char *http_url(const struct http *http);
/* The version of libmicrohttpd; static. */
const char *http_library(void);
/* Takes no new connections; those that are there finish, and are told to close. */
void http_quiesce(struct http *http);
/* No request may be suspended any more. Frees http. */
void http_stop(struct http *http);

#endif
