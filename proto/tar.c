#include "tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "quote.h"

enum {
    NAME = 0,
    NAME_LEN = 100,
    MODE = 100,
    UID = 108,
    GID = 116,
    ID_LEN = 8,
    SIZE = 124,
    MTIME = 136,
    NUMBER_LEN = 12,
    SUM = 148,
    SUM_LEN = 8,
    TYPE = 156,
    MAGIC = 257,
    MAGIC_LEN = 8,
    PREFIX = 345,
    PREFIX_LEN = 155
};

static const char magic[MAGIC_LEN] = { 'u', 's', 't', 'a', 'r', '\0', '0', '0' };

static bool name_check(const char *name, struct err *err)
{
    const char *part = name;
    size_t len;

    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@/")] !=
        '\0') {
        return err_set(err, ERR_FIELD, "name", "must be of letters, digits and . _ - @ /");
    }
    for (;;) {
        len = strcspn(part, "/");
        if (len == 0 || (len == 1 && part[0] == '.') ||
            (len == 2 && part[0] == '.' && part[1] == '.')) {
            return err_set(err, ERR_FIELD, "name",
                           "must be a relative path without . and .., is '%s'", name);
        }
        if (part[len] == '\0') {
            return true;
        }
        part += len + 1;
    }
}

static unsigned long head_sum(const unsigned char head[TAR_BLOCK])
{
    unsigned long sum = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += i >= SUM && i < SUM + SUM_LEN ? ' ' : head[i];
    }
    return sum;
}

/* Where the name is cut: its '/', or its start when it need not be; NULL: it cannot be. */
static const char *name_cut(const char *name)
{
    const size_t len = strlen(name);
    const char *cut;

    if (len <= NAME_LEN) {
        return name;
    }
    cut = strchr(name + (len - NAME_LEN - 1), '/'); /* the first behind which the rest fits */
    return cut != NULL && cut - name <= PREFIX_LEN ? cut : NULL;
}

static void number_encode(unsigned char *field, size_t len, uint64_t value)
{
    char text[NUMBER_LEN + 12]; /* 64 bits in octal */

    snprintf(text, sizeof text, "%0*" PRIo64, (int)len - 1, value);
    memcpy(field, text, len); /* with its NUL */
}

bool tar_head_encode(const struct tar_member *member, unsigned char ret[TAR_BLOCK], struct err *err)
{
    const char *cut = name_cut(member->name), *rest = cut;
    unsigned char head[TAR_BLOCK] = { 0 };

    if (!name_check(member->name, err)) {
        return false;
    }
    if (cut == NULL) {
        return err_set(err, ERR_FIELD, member->name, "must split at a '/' into %d and %d bytes",
                       PREFIX_LEN, NAME_LEN);
    }
    if (member->size > TAR_SIZE_MAX || member->modified > TAR_SIZE_MAX) {
        return err_set(err, ERR_TOO_LARGE, member->name,
                       "size and time must be at most %" PRIu64 ", are %" PRIu64 " and %" PRIu64,
                       TAR_SIZE_MAX, member->size, member->modified);
    }
    if (cut != member->name) {
        memcpy(head + PREFIX, member->name, (size_t)(cut - member->name));
        rest = cut + 1;
    }
    memcpy(head + NAME, rest, strlen(rest));
    number_encode(head + MODE, ID_LEN, 0600);
    number_encode(head + UID, ID_LEN, 0);
    number_encode(head + GID, ID_LEN, 0);
    number_encode(head + SIZE, NUMBER_LEN, member->size);
    number_encode(head + MTIME, NUMBER_LEN, member->modified);
    head[TYPE] = '0';
    memcpy(head + MAGIC, magic, sizeof magic);
    number_encode(head + SUM, SUM_LEN - 1, head_sum(head));
    head[SUM + SUM_LEN - 1] = ' '; /* as everybody's tar has it */
    memcpy(ret, head, TAR_BLOCK);
    return true;
}

/* ---- reading ---- */

/* Octal digits up to NULs or blanks, behind which there is nothing else; or to the field's end. */
static bool number_decode(const unsigned char *field, size_t len, uint64_t *ret)
{
    uint64_t value = 0;
    size_t at = 0;

    while (at < len && field[at] >= '0' && field[at] <= '7') { /* 12 of them are 36 bits */
        value = value * 8 + (uint64_t)(field[at++] - '0');
    }
    if (at == 0) {
        return false;
    }
    for (size_t i = at; i < len; i++) {
        if (field[i] != '\0' && field[i] != ' ') {
            return false;
        }
    }
    *ret = value;
    return true;
}

static bool sum_check(const unsigned char head[TAR_BLOCK], struct err *err)
{
    uint64_t sum;

    return (number_decode(head + SUM, SUM_LEN - 2, &sum) && head[SUM + SUM_LEN - 2] == '\0' &&
            head[SUM + SUM_LEN - 1] == ' ' && sum == head_sum(head)) ||
           err_set(err, ERR_SYNTAX, "",
                   "has a header that does not match its checksum: it is no "
                   "tar, or damaged");
}

/* Prefix and name, whatever they are made of. */
static void name_decode(const unsigned char head[TAR_BLOCK], char ret[TAR_NAME_MAX + 1])
{
    const char *prefix = (const char *)head + PREFIX, *name = (const char *)head + NAME;
    const int prefix_len = (int)strnlen(prefix, PREFIX_LEN);

    snprintf(ret, TAR_NAME_MAX + 1, "%.*s%s%.*s", prefix_len, prefix, prefix_len > 0 ? "/" : "",
             (int)strnlen(name, NAME_LEN), name);
}

/* What stands behind the types that others write. */
static const char *type_name(unsigned char type)
{
    switch (type) {
    case '1':
        return "a hard link";
    case '2':
        return "a symbolic link";
    case '3':
    case '4':
        return "a device";
    case '5':
        return "a folder";
    case '6':
        return "a pipe";
    case 'x':
    case 'g':
        return "a pax record";
    case 'K':
    case 'L':
        return "a long name of GNU tar's";
    case 'S':
        return "a sparse file of GNU tar's";
    default:
        return "of a type that is not known";
    }
}

static bool type_check(const unsigned char head[TAR_BLOCK], const char *name, struct err *err)
{
    const struct quote shown = quote(name, strlen(name));

    if (head[TYPE] != '0') {
        return err_set(err, ERR_FIELD, "", "'%s' is %s, type '%s': only plain files are taken",
                       shown.text, type_name(head[TYPE]), quote((const char *)head + TYPE, 1).text);
    }
    return memcmp(head + MAGIC, magic, sizeof magic) == 0 ||
           err_set(err, ERR_FIELD, "", "'%s' is not in the ustar format: tar has --format=ustar",
                   shown.text);
}

bool tar_head_decode(const unsigned char head[TAR_BLOCK], struct tar_member *ret, struct err *err)
{
    struct tar_member member;

    if (!sum_check(head, err)) {
        return false;
    }
    name_decode(head, member.name);
    if (!type_check(head, member.name, err) || !name_check(member.name, err)) {
        return false;
    }
    if (!number_decode(head + SIZE, NUMBER_LEN, &member.size) ||
        !number_decode(head + MTIME, NUMBER_LEN, &member.modified) || member.size > TAR_SIZE_MAX ||
        member.modified > TAR_SIZE_MAX) {
        return err_set(err, ERR_SYNTAX, member.name,
                       "has a size or a time that is not octal, or above %" PRIu64, TAR_SIZE_MAX);
    }
    *ret = member;
    return true;
}

size_t tar_padding(uint64_t size)
{
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
