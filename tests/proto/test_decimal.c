#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "number.h"
#include "rng.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

/* How many random floats: DECIMAL_TESTS=16000000 for a long run. */
static size_t tests(void)
{
    const char *asked = getenv("DECIMAL_TESTS");

    return asked != NULL ? strtoul(asked, NULL, 10) : 1000000;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Digits from the first that is not 0 to the last such one. */
static int digits_in(const char *text)
{
    int n = 0, zeros = 0;

    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0')) {
            continue;
        }
        n++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return n - zeros;
}

static void check(float value, int shortness)
{
    char text[DECIMAL_MAX], libc[32];
    const char *at = text;
    const size_t len = decimal_f32(value, text);
    float back = 99.0F;

    assert_true(len < sizeof text);
    text[len] = '\0';
    if (number_read(&at, text + len, &back) != NUMBER_OK || at != text + len ||
        memcmp(&back, &value, sizeof back) != 0 || strtof(text, NULL) != value) {
        fail_msg("%a was written as %s", (double)value, text);
    }
    for (int more = 0; shortness && more < 9; more++) {
        snprintf(libc, sizeof libc, "%.*e", more, (double)value);
        if (strtof(libc, NULL) == value) {
            const double us = fabs(strtod(text, NULL) - (double)value);
            const double them = fabs(strtod(libc, NULL) - (double)value);

            if (digits_in(text) > digits_in(libc)) {
                fail_msg("%s is longer than %s", text, libc);
            }
            if (digits_in(text) == digits_in(libc) && us > them) {
                fail_msg("%s is further off than %s", text, libc);
            }
            break;
        }
    }
}

static void known_numbers_look_as_they_should(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        { 0.0F, "0" },
        { -0.0F, "-0.0" },
        { 1.0F, "1" },
        { -1.5F, "-1.5" },
        { 0.1F, "0.1" },
        { 0.97F, "0.97" },
        { 100.0F, "100" },
        { 1234.5F, "1234.5" },
        { 16777216.0F, "16777216" },
        { 999999984.0F, "1e9" }, /* reads back to it, and so does no shorter one */
        { 123456.789F, "123456.79" },
        { 0.00001F, "0.00001" },
        { 0.000012345F, "0.000012345" },
        { 0.000001F, "1e-6" },
        { 1.5e-7F, "1.5e-7" },
        { 1e9F, "1e9" },
        { 1e10F, "1e10" },
        { FLT_MAX, "3.4028235e38" },
        { -FLT_MAX, "-3.4028235e38" },
        { FLT_MIN, "1.1754944e-38" },
        { FLT_TRUE_MIN, "1e-45" },
        { 9.5367431640625e-7F, "9.536743e-7" }, /* 2^-20 */
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char text[DECIMAL_MAX + 1];

        text[decimal_f32(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
        check(cases[i].value, 1);
    }
}

static void random_floats_read_back_from_the_shortest_text(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t i = tests(); i-- > 0;) {
        const float value = float_of((uint32_t)rng_next(&rng));

        if (isfinite(value)) {
            check(value, i % 4 == 0);
        }
    }
}

static void powers_of_two_and_ten_and_their_neighbours_do(void **state)
{
    (void)state;
    for (int e = -149; e < 128; e++) {
        const float power = ldexpf(1.0F, e);

        check(power, 1);
        check(nextafterf(power, 0.0F), 1);
        check(nextafterf(power, FLT_MAX), 1);
        check(-power, 1);
    }
    for (int e = -45; e <= 38; e++) {
        for (int d = 1; d < 1000; d++) {
            char text[32];
            float value;

            snprintf(text, sizeof text, "%de%d", d, e);
            value = strtof(text, NULL);
            if (isfinite(value) && value > 0.0F) {
                check(value, 1);
                check(nextafterf(value, FLT_MAX) < FLT_MAX ? nextafterf(value, FLT_MAX) : value, 1);
                check(nextafterf(value, 0.0F), 0);
            }
        }
    }
    for (uint32_t bits = 1; bits < 5000; bits++) {
        check(float_of(bits), 1); /* the smallest there are */
    }
}

static void doubles_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0.0, "0" },
        { -0.0, "-0.0" },
        { 0.1, "0.1" },
        { 1.0 / 3, "0.3333333333333333" },
        { 1e16, "10000000000000000" },
        { 1e17, "1e17" },
        { 123456789.25, "123456789.25" },
        { DBL_MAX, "1.7976931348623157e308" },
        { 5e-324, "4.94065645841247e-324" },
        { 1782864000.123, "1782864000.123" },
        { -2.5e-9, "-2.5e-9" },
    };
    struct rng rng;
    char text[DECIMAL_MAX + 1];

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        text[decimal_f64(cases[i].value, text)] = '\0';
        assert_string_equal(text, cases[i].text);
    }
    rng_init(&rng, 4);
    for (size_t i = tests() / 10; i-- > 0;) {
        const uint64_t bits = rng_next(&rng);
        double value;
        size_t len;

        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            len = decimal_f64(value, text);
            assert_true(len < DECIMAL_MAX);
            text[len] = '\0';
            assert_true(strtod(text, NULL) == value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(known_numbers_look_as_they_should),
        cmocka_unit_test(random_floats_read_back_from_the_shortest_text),
        cmocka_unit_test(powers_of_two_and_ten_and_their_neighbours_do),
        cmocka_unit_test(doubles_read_back),
    };

    return cmocka_run_group_tests_name("decimal", all, NULL, NULL);
}
