/* What a client calls this server: the Host of its requests.
 *
 * A page in a browser may come from a name that its owner then has point to our address (DNS
 * rebinding), so that it may ask us what it likes, and read the answers; but its requests still go
 * to that name. So only names that nobody else can have are answered: addresses as such, localhost,
 * and what --allow-host says. Thread: any. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>

#include "err.h"
#include "options.h"

/* Whether the value of a Host header is an address or localhost, or, whatever its port, one of
 * names; * there is any. */
bool host_known(const char *host, const struct option_list *names);
/* Names for it: without a port. Errors: ERR_FIELD at "--allow-host". */
bool host_names_check(const struct option_list *names, struct err *err);

#endif
