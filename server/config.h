/* A file of settings, `key = value` a line:
 *
 *   # where it answers
 *   listen = 127.0.0.1:8740
 *   listen = unix:/run/sigmad/socket    # a list: one line each
 *   max-body = 128m
 *
 * Keys are flags without their dashes. Blanks around a key and a value do not count, empty lines
 * neither, nor what follows a '#' at the beginning of a line or after a blank. Values are not
 * quoted. What keys there are, and what their values may be, is not known here.
 * Thread: main, before the loop runs. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define CONFIG_BYTES_MAX ((size_t)64 << 10)

struct config {
    char *text; /* owned; what config_next has returned lies in it */
    char *next; /* into text; NULL: the end */
    size_t line;
};

/* Reads the whole file, which has to be a regular one of CONFIG_BYTES_MAX at most, of text.
 * Errors: ERR_FIELD at where, the flag or variable that named the file; ERR_MEMORY. */
bool config_open(const char *path, const char *where, struct config *ret, struct err *err);
void config_done(struct config *config);

/* The next line with a setting; key is NULL at the end. Both end with NUL and live as long as
 * config. Errors: ERR_FIELD at "", with the text alone; config->line is the line to blame. */
bool config_next(struct config *config, const char **key, const char **value, struct err *err);

#endif
