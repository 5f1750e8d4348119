/* Doubles that have to agree within a tolerance; cmocka's own narrows to float. */
#ifndef NEAR_H
#define NEAR_H

#include <math.h>

#define assert_near(a, b, tolerance)                                                               \
    do {                                                                                           \
        const double near_a = (a), near_b = (b), near_t = (tolerance);                             \
        if (!(fabs(near_a - near_b) <= near_t)) {                                                  \
            print_error("%.17g is not within %g of %.17g\n", near_a, near_t, near_b);              \
            assert_true(fabs(near_a - near_b) <= near_t);                                          \
        }                                                                                          \
    } while (0)

#endif
