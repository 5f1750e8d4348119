/* A tar of plain files (tar.h), read as it comes, in pieces of any size; nothing is kept of it but
 * a header.
 *
 *   begin    a member's header is there, and within tar.h's limits
 *   content  bytes of it, in order; not called for an empty one
 *   end      it was there in full
 *
 * Whatever is not zero and has to be is an error, so that no byte of a tar can change unnoticed but
 * in a member's content and in what a header says. Thread: any; one at a time has the reader. */
#ifndef TAR_READER_H
#define TAR_READER_H

#include "tar.h"

/* A false of one of them stops the reader. */
struct tar_sink {
    bool (*begin)(struct tar_sink *sink, const struct tar_member *member, struct err *err);
    bool (*content)(struct tar_sink *sink, const char *bytes, size_t len, struct err *err);
    bool (*end)(struct tar_sink *sink, struct err *err);
};

/* Zeros but for the sink at first. After an error it is of no more use. */
struct tar_reader {
    struct tar_sink *sink; /* borrowed */
    unsigned char head[TAR_BLOCK];
    size_t have;              /* bytes of head */
    struct tar_member member; /* the last */
    uint64_t left;            /* bytes of its content to come, */
    size_t padding;           /* and zeros behind them */
    size_t zeros;             /* bytes of the end */
};

/* Errors: tar_head_decode's, those at "" at "body"; ERR_SYNTAX at "body" for what stands behind the
 * end, and at a member's name for bytes behind it that are not zero; the sink's. */
bool tar_reader_add(struct tar_reader *reader, const char *bytes, size_t len, struct err *err);
/* All has been added. Errors: ERR_SYNTAX at the last member's name, or "body", when it is cut. */
bool tar_reader_end(const struct tar_reader *reader, struct err *err);

#endif
