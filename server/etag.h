/* Entity tags and preconditions: RFC 9110, 8.8.3 and 13.
 *
 * A model's tag is that of the version it serves, a data set's that of its generation: the number
 * and the microsecond it was made in, "3-6430d1c07a5f2", so that it changes as well when something
 * of the same name is deleted and made anew. The same after a restart. Loop thread. */
#ifndef ETAG_H
#define ETAG_H

#include "dataset.h"
#include "model.h"
#include "request.h"

#define ETAG_LEN 64

/* That of a version with this number, made then. */
void etag_numbered(uint64_t number, double created, char ret[ETAG_LEN]);
void etag_version(const struct version *version, char ret[ETAG_LEN]);
void etag_dataset(const struct dataset *dataset, char ret[ETAG_LEN]);

/* Whether a list of tags, as a header has it, names etag, or is "*". weak: W/ makes no difference
 * (If-None-Match); else what is weak is never the same (If-Match). etag NULL: nothing is there.
 * False: the list cannot be read. */
bool etag_listed(const char *list, const char *etag, bool weak, bool *ret);

/* Whether If-Match and If-None-Match let a change of what has this tag now (NULL: it is not there)
 * take effect. Errors: ERR_PRECONDITION and ERR_SYNTAX at the header. */
bool etag_holds(struct request *req, const char *etag, struct err *err);
/* etag_holds for a model's served version; NULL: there is no model. */
bool etag_model_holds(struct request *req, const struct model *model, struct err *err);
/* Whether the request has If-None-Match: *. */
bool etag_create_only(struct request *req);
/* For GET: puts the tag into the reply. *fresh: the client has it already; 304 is the reply, and
 * complete. Errors: as etag_holds. */
bool etag_read(struct request *req, const char *etag, bool *fresh, struct err *err);
/* Puts it into the reply, and what is compressed under a tag of its own, as a strong one must be:
 * "3-6430d1c07a5f2-gzip". Preconditions take it for the same. */
void etag_reply_coded(struct request *req, const char *etag, enum coding coding);
/* Puts it into the reply. */
void etag_reply(struct request *req, const char *etag);
void etag_reply_version(struct request *req, const struct version *version);

#endif
