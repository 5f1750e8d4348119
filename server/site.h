/* Which page asks: what a browser says of it in Origin and Sec-Fetch-Site. Thread: any. */
#ifndef SITE_H
#define SITE_H

#include <stdbool.h>

#include "err.h"
#include "options.h"

enum site {
    SITE_OWN,     /* none, which is no browser, or none of other pages; or a page of this server */
    SITE_ALLOWED, /* one of --allow-origin */
    SITE_FOREIGN
};

/* The three are values of headers, NULL if they are not there: Origin, Sec-Fetch-Site (browsers
 * send it without Origin too, but not all browsers) and Host. A page is ours if it has our Host,
 * over http or https, since a proxy may have taken the TLS off. */
enum site site_judge(const char *origin, const char *fetch, const char *host,
                     const struct option_list *allowed);
/* Each is "http://name", "https://name:8443": what a browser sends. Errors: ERR_FIELD at
 * "--allow-origin"; * too, of which nobody knows who it lets in. */
bool sites_check(const struct option_list *allowed, struct err *err);

#endif
