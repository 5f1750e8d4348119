/* What the upload*.c files share, and nobody else sees. */
#ifndef UPLOADS_H
#define UPLOADS_H

#include "array.h"
#include "column_stats.h"
#include "upload.h"

enum format {
    FORMAT_NONE,
    FORMAT_CSV,
    FORMAT_JSON,
    FORMAT_JSON_LINES,
    FORMAT_IDX,
    FORMAT_NPY,
    FORMAT_NPZ,
    FORMAT_RAW
};

/* A part's file, being written. */
struct part_file {
    int fd;       /* -1: not begun */
    char *path;   /* owned */
    char *buffer; /* owned, PART_BUFFER bytes */
    size_t len;
};

struct upload {
    struct sink sink; /* the request's; first, so that one is the other */
    struct server *server;
    enum csv_part part;
    enum format format; /* FORMAT_NONE: by the first bytes */
    bool guessed;       /* it was */
    struct csv_options csv;
    const char *array; /* of features, in an archive; the query's; NULL: not told */
    size_t shape[TABLE_RANK_MAX];
    size_t rank;
    char name[NAME_MAX_LEN + 1];
    char *spool; /* owned; path of the upload as it comes, but for its head */
    char *head;  /* owned; what stands before an array's values; NULL: the spool has all */
    size_t head_len;
    struct upload_stream *stream; /* owned; NULL: the spool is read when it is all there */
    uint64_t written, pushed;     /* bytes of the spool; those that are on their way to the disk */
    char *folder;                 /* owned; where it is built */
    int fd;                       /* the spool's; -1 until the first byte */
    uint64_t generation;
    size_t old_bytes;     /* of what it takes the place of */
    struct dataset *base; /* what the other part comes from; a reference, or NULL */
    struct table_sink table;
    bool append;     /* rows are added to base */
    bool kind_given; /* by the query */
    bool narrow;     /* appending to bytes: */
    size_t n_values; /* features seen so far, */
    size_t bad_at;   /* the first of them that is no byte, from 1; 0: none, */
    float bad;       /* and it */
    float *means;    /* owned; of base's columns, to take the place of what is missing */
    struct part_file features, targets;
};

/* upload_stream.c; pool. NULL is none. */

/* Whether bytes begin an array of features whose values are kept as they come: makes up->stream, to
 * which they are then to be added. Returns the length of what stands before them; 0 also when there
 * is no stream. */
size_t upload_stream_begin(struct upload *up, const char *bytes, size_t len);
void upload_stream_free(struct upload_stream *stream);
void upload_stream_add(struct upload_stream *stream, const char *bytes, size_t len);
/* Whether there is one, of values that may all be kept. */
bool upload_stream_whole(const struct upload *up);
/* All has come. Errors: as a reader's, of sizes. */
bool upload_stream_take(struct upload *up, struct table_info *ret, struct err *err);
void upload_stream_end(struct upload *up, const struct dataset *dataset, char digest[DIGEST_HEX],
                       struct table_stats *stats);

/* upload_build.c; pool */
bool part_begin(struct part_file *file, const char *folder, const char *name, struct err *err);
bool part_add(struct part_file *file, const void *bytes, size_t len, struct err *err);
bool part_flush(struct part_file *file, struct err *err);
bool part_sync(struct part_file *file, struct err *err);
struct upload *upload_of(struct table_sink *table);
/* Has the reader of the body's format put its rows into up->table. */
bool spool_read(struct upload *up, struct table_info *ret, struct err *err);
/* remap[i] for each of n class indices from the at-th on, in place. */
bool targets_remap(struct upload *up, size_t at, size_t n, const uint32_t *remap, struct err *err);
/* Everything in the folder is there: statistics, digest, sync, rename, open under its final name. */
bool folder_commit(struct upload *up, const struct table_info *info, struct dataset **ret,
                   struct err *err);

/* upload_missing.c; pool */

/* Puts means where the file of all features has NaNs. */
bool missing_fill(struct upload *up, const struct table_info *info, struct err *err);
/* Works out the means of base's columns, in double, in the order of the rows, rounded to float32
 * (of bytes, to a whole number), for what is missing from rows that come. Errors: ERR_MEMORY. */
bool missing_means(struct upload *up, struct err *err);
/* Counts in stats what was imputed in info's rows, and in base's if they are still there. */
void missing_count(const struct upload *up, const struct table_info *info,
                   struct table_stats *stats);

/* upload_npz.c; pool. Arrays that are inflated are so into files without a name, of --max-upload in
 * all. Errors: as npz_table_read; ERR_TOO_LARGE at "body", ERR_IO, ERR_FULL. */
bool upload_npz_read(struct upload *up, const char *bytes, size_t len, struct table_info *ret,
                     struct err *err);

/* upload_append.c; pool */
bool upload_append(struct upload *up, struct dataset **ret, struct err *err);

#endif
