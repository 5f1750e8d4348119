/* A tar of plain files: the ustar format of POSIX.1-2017, pax, "ustar Interchange Format".
 *
 *   header   512 bytes; text ends with NUL, or fills its field; numbers are octal digits in text
 *              0 name 100       124 size 12       257 "ustar\0" "00"
 *            100 mode 8         136 mtime 12      265 uname 32, gname 32
 *            108 uid 8, gid 8   148 chksum 8      329 devmajor 8, devminor 8
 *                               156 typeflag 1    345 prefix 155, goes before name with a '/'
 *   content  size bytes, then zeros up to a whole 512
 *   end      two blocks of zeros, and as many more as like
 *
 * chksum is the sum of the header's bytes, taken as unsigned and with spaces in its own place.
 *
 * Limits: a name of 1 to 256 bytes that splits at a '/' into 155 and 100, a size of 8 GiB - 1:
 * what the header holds. No pax records are written, and nothing but plain files: no
 * folders, links or devices. The content has no sum of its own; whoever uses it has to have one.
 *
 * Thread: any; they touch nothing but their arguments. */
#ifndef TAR_H
#define TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TAR_BLOCK ((size_t)512)
#define TAR_NAME_MAX ((size_t)256)
#define TAR_SIZE_MAX (((uint64_t)8 << 30) - 1)

struct tar_member {
    char name[TAR_NAME_MAX + 1]; /* a/b/c, of letters, digits and . _ - @; no part is . or .. */
    uint64_t size;               /* bytes of content */
    uint64_t modified;           /* Unix seconds, at most TAR_SIZE_MAX */
};

/* The header of a member. Errors: ERR_FIELD for a name out of the limits; ERR_TOO_LARGE, at its
 * name, for a size or a time. */
bool tar_head_encode(const struct tar_member *member, unsigned char ret[TAR_BLOCK],
                     struct err *err);
/* What a header says. As strict as what is written here, but for who owns the file and what may be
 * done with it, which are not looked at; the sum ends in "\0 ". Errors: ERR_SYNTAX at "" for a sum
 * that does not match, at the member's name for a number that is none; ERR_FIELD at "" for what is
 * no plain file of this format, such as a pax record or one of GNU's, with its type and its name;
 * ERR_FIELD at "name" for a name out of the limits. */
bool tar_head_decode(const unsigned char head[TAR_BLOCK], struct tar_member *ret, struct err *err);
/* Zeros that have to follow so many bytes of content. */
size_t tar_padding(uint64_t size);
/* Zeros at the end of all. */
#define TAR_END (2 * TAR_BLOCK)

#endif
