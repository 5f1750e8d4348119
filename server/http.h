/* HTTP: one listening address each, driven by the loop. With http_head.c the only place that knows
 * libmicrohttpd. */
#ifndef HTTP_H
#define HTTP_H

#include "err.h"

struct http;
struct listener;
struct server;

/* Answers on a listener, which it takes over, also on failure. Errors: ERR_IO, ERR_MEMORY at
 * "--listen". */
bool http_listen(struct server *server, struct listener *listener, struct http **ret,
                 struct err *err);
/* "http://127.0.0.1:8740" with the port that was picked, or "unix:/path"; borrowed. */
const char *http_url(const struct http *http);
/* The version of libmicrohttpd; static. */
const char *http_library(void);
/* Takes no new connections; those that are there finish, and are told to close. */
void http_quiesce(struct http *http);
/* No request may be suspended any more. Frees http. */
void http_stop(struct http *http);

#endif
