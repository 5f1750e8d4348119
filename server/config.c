#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quote.h"

#define BLANKS " \t\r"

/* Everything of fd, and a NUL; one byte more than may be is read, to see that it is not there. */
static bool text_read(int fd, char *text, size_t *ret)
{
    size_t len = 0;
    ssize_t n;

    while (len <= CONFIG_BYTES_MAX) {
        n = read(fd, text + len, CONFIG_BYTES_MAX + 1 - len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n == 0) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    *ret = len;
    return true;
}

bool config_open(const char *path, const char *where, struct config *ret, struct err *err)
{
    /* A pipe that nobody writes to does not hold up the open. */
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    char *text = NULL;
    bool ok = false;
    size_t len;

    if (fd < 0 || fstat(fd, &st) != 0) {
        err_set(err, ERR_FIELD, where, "cannot open %s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_FIELD, where, "must be a regular file; %s is none", path);
        goto out;
    }
    text = malloc(CONFIG_BYTES_MAX + 2);
    if (text == NULL) {
        err_set(err, ERR_MEMORY, where, "does not fit into memory");
        goto out;
    }
    if (!text_read(fd, text, &len)) {
        err_set(err, ERR_FIELD, where, "cannot read %s: %s", path, strerror(errno));
        goto out;
    }
    if (len > CONFIG_BYTES_MAX) {
        err_set(err, ERR_FIELD, where, "must have %zu bytes at most; %s has more", CONFIG_BYTES_MAX,
                path);
        goto out;
    }
    if (strlen(text) != len) {
        err_set(err, ERR_FIELD, where, "must be text; byte %zu of %s is 0", strlen(text) + 1, path);
        goto out;
    }
    *ret = (struct config){ text, text, 0 };
    text = NULL; /* owned by ret */
    ok = true;
out:
    if (fd >= 0) {
        close(fd);
    }
    free(text);
    return ok;
}

void config_done(struct config *config)
{
    free(config->text);
    *config = (struct config){ 0 };
}

/* Without the blanks around it. */
static char *trimmed(char *text)
{
    char *end = text + strlen(text);

    while (end > text && strchr(BLANKS, end[-1]) != NULL) {
        end--;
    }
    *end = '\0';
    return text + strspn(text, BLANKS);
}

/* Ends a line where its comment begins. */
static void comment_cut(char *line)
{
    for (char *p = strchr(line, '#'); p != NULL; p = strchr(p + 1, '#')) {
        if (p == line || strchr(BLANKS, p[-1]) != NULL) {
            *p = '\0';
            return;
        }
    }
}

static bool line_split(char *line, const char **key, const char **value, struct err *err)
{
    char *equals = strchr(line, '=');

    for (const char *p = line; *p != '\0'; p++) {
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f) {
            return err_set(err, ERR_FIELD, "", "holds byte 0x%02x, which is not text",
                           (unsigned)*p);
        }
    }
    if (equals == NULL || equals == line) {
        return err_set(err, ERR_FIELD, "", "must be `key = value`, is '%s'",
                       quote(line, strlen(line)).text);
    }
    *equals = '\0';
    *key = trimmed(line);
    *value = trimmed(equals + 1);
    if (**value == '"' || **value == '\'') {
        return err_set(err, ERR_FIELD, "", "has a value in quotes, which would belong to it");
    }
    return true;
}

bool config_next(struct config *config, const char **key, const char **value, struct err *err)
{
    while (config->next != NULL) {
        char *line = config->next, *end = strchr(line, '\n');

        config->line++;
        config->next = end != NULL ? end + 1 : NULL;
        if (end != NULL) {
            *end = '\0';
        }
        comment_cut(line);
        line = trimmed(line);
        if (*line != '\0') {
            return line_split(line, key, value, err);
        }
    }
    *key = *value = NULL;
    return true;
}
