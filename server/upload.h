/* A data set, or one part of it, on its way in.
 *
 *   open    loop   reads the query and the content type, names a spool file under STATE/tmp
 *   write   pool   appends a chunk of the body to it
 *   build   pool   maps the spool and has its reader write the parts into a new folder; digest;
 *                  sync; rename to STATE/datasets/NAME@GENERATION
 *   put     loop   the table has it from here on, and the client is told
 *
 * So memory does not grow with the data, and whatever fails before the rename leaves nothing. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "dataset.h"
#include "request.h"

struct upload;

/* Loop. The upload is the request's sink from then on. Errors: ERR_FIELD, ERR_TYPE, ERR_LIMIT. */
bool upload_open(struct request *req, enum csv_part part, struct err *err);
/* Loop. The body is complete: takes hold of the generation and of what the other part comes from,
 * or of what the rows are added to. Errors, with append: ERR_NOT_FOUND at "name". */
bool upload_close(struct request *req, bool append, struct err *err);
/* Pool. The finished data set, opened; the caller's reference, and the claim to its memory in place
 * of that of the one before it. Errors: ERR_LIMIT at "datasets", and those of readers and disks. */
bool upload_build(struct request *req, struct dataset **ret, struct err *err);

#endif
