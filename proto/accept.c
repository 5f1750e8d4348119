#include "accept.h"

#include <string.h>
#include <strings.h>

/* One element of the list, such as "text/html; q=0.5". */
struct range {
    const char *type;
    size_t len;
    int q; /* in thousandths */
};

static const char *past_space(const char *at)
{
    return at + strspn(at, " \t");
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); what is not one counts as 1. */
static int q_read(const char *at)
{
    int q = at[0] == '0' ? 0 : 1000, unit = 100;

    if ((at[0] == '0' || at[0] == '1') && at[1] == '.') {
        for (at += 2; *at >= '0' && *at <= '9' && unit > 0; at++, unit /= 10) {
            q += (*at - '0') * unit;
        }
    }
    return q > 1000 ? 1000 : q;
}

/* The element at *at, which moves to the next; false at the end. */
static bool range_next(const char **at, struct range *ret)
{
    const char *from = *at + strspn(*at, " \t,"), *end = from + strcspn(from, ",");

    if (*from == '\0') {
        return false;
    }
    *ret = (struct range){ from, strcspn(from, " \t,;"), 1000 };
    for (const char *p = from; (p = memchr(p, ';', (size_t)(end - p))) != NULL;) {
        p = past_space(p + 1);
        if ((*p == 'q' || *p == 'Q') && p[1] == '=') {
            ret->q = q_read(p + 2);
        }
    }
    *at = end;
    return true;
}

/* How closely a range fits a type: 0 not at all, 1 by all of it, 2 by its first half, 3 whole. */
static int range_fit(const struct range *range, const char *type)
{
    const size_t half = strcspn(type, "/") + 1; /* with the slash */

    if ((range->len == 3 && memcmp(range->type, "*/*", 3) == 0) ||
        (range->len == 1 && range->type[0] == '*')) {
        return 1;
    }
    if (range->len == half + 1 && range->type[half] == '*' &&
        strncasecmp(range->type, type, half) == 0) {
        return 2;
    }
    return range->len == strlen(type) && strncasecmp(range->type, type, range->len) == 0 ? 3 : 0;
}

static int type_q(const char *accept, const char *type)
{
    struct range range;
    int best = 0, q = 0;

    while (range_next(&accept, &range)) {
        const int fit = range_fit(&range, type);

        if (fit > best) {
            best = fit;
            q = range.q;
        }
    }
    return q;
}

bool accept_choose(const char *accept, const char *const *types, size_t n, size_t *ret)
{
    int most = 0;

    if (accept == NULL || accept[strspn(accept, " \t,")] == '\0') {
        *ret = 0;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        const int q = type_q(accept, types[i]);

        if (q > most) {
            most = q;
            *ret = i;
        }
    }
    return most > 0;
}

bool accept_is(const char *type, const char *wanted)
{
    const size_t len = strcspn(type, " \t;");

    return len == strlen(wanted) && strncasecmp(type, wanted, len) == 0;
}
