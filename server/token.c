#include "token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "grant.h"
#include "grants.h"
#include "log.h"

#define PREFIX "sigmad_" /* so that one that got where it should not be is found there */
#define SECRET 32        /* bytes */
#define TOKEN_LEN (sizeof PREFIX - 1 + 2 * SECRET)

/* What the command line says; borrowed. */
struct wanted {
    const char *name, *scope, *models, *rate;
};

/* What is to be one word of a line, and not two, or a comment. */
static bool word_check(const char *word, const char *where, struct err *err)
{
    return (word[0] != '\0' && strpbrk(word, " \t\r\n#") == NULL) ||
           err_set(err, ERR_FIELD, where, "must be a word without # and blanks, is '%.80s'", word);
}

static bool wanted_read(int argc, char **argv, struct wanted *wanted, struct err *err)
{
    if (argc < 3 || strcmp(argv[2], "new") != 0) {
        return err_set(err, ERR_FIELD, "token", "must be followed by new");
    }
    for (int i = 3; i < argc; i++) {
        const char **to = strcmp(argv[i], "--scope") == 0    ? &wanted->scope
                          : strcmp(argv[i], "--models") == 0 ? &wanted->models
                          : strcmp(argv[i], "--rate") == 0   ? &wanted->rate
                                                             : &wanted->name;
        const char *where = to == &wanted->name ? "NAME" : argv[i];

        if (to == &wanted->name && argv[i][0] == '-') {
            return err_set(err, ERR_FIELD, argv[i], "must be --scope, --models or --rate");
        }
        if (*to != NULL || (to != &wanted->name && ++i == argc)) {
            return err_set(err, ERR_FIELD, where, "must be there once, with a value");
        }
        *to = argv[i];
        if (!word_check(*to, where, err)) {
            return false;
        }
    }
    return (wanted->name != NULL && wanted->scope != NULL) ||
           err_set(err, ERR_FIELD, "token new",
                   "needs NAME --scope read|predict|train|admin, and may have --models "
                   "PATTERN,PATTERN and --rate N");
}

static void hex_write(const unsigned char *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    }
}

static bool token_draw(char *ret, struct err *err)
{
    unsigned char secret[SECRET];

    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
        return err_set(err, ERR_IO, "token new", "has no random numbers: %s", strerror(errno));
    }
    memcpy(ret, PREFIX, sizeof PREFIX - 1);
    hex_write(secret, sizeof secret, ret + sizeof PREFIX - 1);
    explicit_bzero(secret, sizeof secret);
    return true;
}

/* The line for the file, which has to read as one. */
static bool line_make(const struct wanted *wanted, const char *token, char *line, size_t len,
                      struct err *err)
{
    unsigned char hash[GRANT_HASH];
    char hex[2 * GRANT_HASH + 1], words[GRANTS_LINE_MAX + 1];
    struct grant grant;
    int n;

    if (!grant_hash(token, TOKEN_LEN, hash)) {
        return err_set(err, ERR_MEMORY, "token new", "has no memory");
    }
    hex_write(hash, sizeof hash, hex);
    n = snprintf(line, len, "%s %s sha256:%s%s%s%s%s", wanted->name, wanted->scope, hex,
                 wanted->models != NULL ? " models=" : "",
                 wanted->models != NULL ? wanted->models : "", wanted->rate != NULL ? " rate=" : "",
                 wanted->rate != NULL ? wanted->rate : "");
    if (n < 0 || (size_t)n >= len) {
        return err_set(err, ERR_FIELD, "token new",
                       "must make a line of %d bytes at most, makes %d", GRANTS_LINE_MAX - 1, n);
    }
    memcpy(words, line, (size_t)n + 1);
    if (!grant_parse(words, &grant, err)) {
        return false;
    }
    grant_done(&grant);
    return true;
}

int token_command(int argc, char **argv)
{
    struct wanted wanted = { .name = NULL };
    struct err err = { 0 };
    char token[TOKEN_LEN + 1] = "", line[GRANTS_LINE_MAX], text[512];
    bool ok = wanted_read(argc, argv, &wanted, &err) && token_draw(token, &err) &&
              line_make(&wanted, token, line, sizeof line, &err);

    if (ok && (printf("%s\n%s\n", token, line) < 0 || fflush(stdout) != 0)) {
        ok = err_set(&err, ERR_IO, "token new", "cannot print: %s", strerror(errno));
    }
    explicit_bzero(token, sizeof token);
    if (!ok) {
        err_detail(&err, text, sizeof text);
        log_line("%s", text);
        return err.code == ERR_FIELD ? 2 : EXIT_FAILURE;
    }
    log_line("the first line is the token, which is shown only now; the second is for the file of "
             "--tokens");
    return EXIT_SUCCESS;
}
