/* A reply that can be had in several formats: which one the client asks for, and what one that is
 * kept as a file says of itself. Loop thread. */
#ifndef OFFER_H
#define OFFER_H

#include "etag.h"
#include "request.h"

#define OFFERS_MAX 16

struct offer {
    const char *name; /* of ?format= */
    const char *type; /* of Accept */
};

/* The one of n that ?format= names, or else Accept likes best, the first by default. Sets the
 * reply's Vary. Errors: ERR_FIELD at "format", ERR_ACCEPT at "Accept", naming all there are. */
bool offer_choose(struct request *req, const struct offer *offers, size_t n, size_t *ret,
                  struct err *err);
/* The tag of one format of what has the tag: "3-6430d1c07a5f2" becomes "3-6430d1c07a5f2-SUFFIX". */
void offer_tag(char etag[ETAG_LEN], const char *suffix);
/* Puts a file's name, printed, and the digest (copied) of what it was made from into the reply. */
void offer_file(struct request *req, const char *digest, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
