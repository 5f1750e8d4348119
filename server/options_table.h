/* Every setting there is, one row each: its name, what it takes, its limits, its default, and where
 * its value goes. From the rows come the flags, the environment variables, the keys of a file
 * and --help.
 *
 * A new setting is a row in options_table.c, a field in struct options, and its rows in README and
 * systemd/sigmad.8, at the same place. */
#ifndef OPTIONS_TABLE_H
#define OPTIONS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define OPTIONS_MAX 64 /* rows */
#define OPTION_LIST_MAX 64
#define OPTION_NAME_MAX 32
#define OPTION_TEXT_MAX 4095 /* bytes of a path, or of one text of a list */

struct options;

/* Beside each, the C type of its field. */
enum option_type {
    OPTION_LIST,    /* struct option_list: texts, each given by itself, at most `most` of them */
    OPTION_PATH,    /* const char * */
    OPTION_CHOICE,  /* const char *: one of the words of arg, between which '|' stands */
    OPTION_BOOL,    /* bool: 0 or 1; the flag by itself is 1 */
    OPTION_COUNT,   /* size_t from least to most */
    OPTION_BYTES,   /* size_t from least to most; k, m or g may follow */
    OPTION_SECONDS, /* size_t from least to most; s, m, h or d may follow */
};

struct option_list {
    const char *at[OPTION_LIST_MAX]; /* borrowed */
    size_t n;
};

/* Static. */
struct option {
    const char *name; /* max-body: --max-body, and SIGMAD_MAX_BODY in the environment */
    enum option_type type;
    size_t at;         /* offset of its field in struct options */
    const char *arg;   /* what help calls a value; NULL for OPTION_BOOL */
    const char *usual; /* the default, as a value; NULL: the field stays 0, NULL or empty, */
    const char *told;  /* and help says this of it; NULL: nothing */
    size_t least, most;
    const char *help; /* what it is for; without limits, default and full stop */
};

/* Where a value came from: what stands further down wins. */
enum option_from { OPTION_USUAL, OPTION_FILE, OPTION_ENV, OPTION_FLAG };

/* The k-th row, in README's order; NULL beyond the last. */
const struct option *option_nth(size_t k);
/* Its place in that order. */
size_t option_index(const struct option *o);
/* The row of that name, which need not end with NUL; NULL: none. */
const struct option *option_find(const char *name, size_t len);
/* The row that was most likely meant by a name that none has; NULL: none is like it. */
const struct option *option_nearest(const char *name, size_t len);

struct option_name {
    char text[sizeof "SIGMAD_" + OPTION_NAME_MAX];
};
/* "--max-body" and "SIGMAD_MAX_BODY"; by value, to be used within one call. */
struct option_name option_flag(const struct option *o);
struct option_name option_variable(const struct option *o);

/* Stores one value; text is kept as a pointer, and has to stay. A list grows by it.
 * Errors: ERR_FIELD at where, the flag, variable or line that it came from; *opts is untouched. */
bool option_set(const struct option *o, struct options *opts, const char *where, const char *text,
                struct err *err);

/* The k-th text of a list, or, for k = 0, what any other option is: "64m", "power", "0". False:
 * there is none. */
bool option_show(const struct option *o, const struct options *opts, size_t k, char *ret,
                 size_t len);

/* "1 to 256", what a number may be, or how many texts a list takes; "" for the others. */
void option_limits(const struct option *o, char *ret, size_t len);

#endif
