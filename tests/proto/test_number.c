#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "rng.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

/* How many random texts: NUMBER_TESTS=16000000 for a long run. */
static size_t tests(void)
{
    const char *asked = getenv("NUMBER_TESTS");

    return asked != NULL ? strtoul(asked, NULL, 10) : 1000000;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Both ways of reading agree with strtof about the text, which is a number of JSON. */
static void check(const char *text)
{
    const float libc = strtof(text, NULL);
    const size_t len = strlen(text);
    char list[400];
    const char *at = text;
    float value = 99.0F, quick = 99.0F;
    enum number_status status = number_read(&at, text + len, &value);

    if (status != (isinf(libc) ? NUMBER_LARGE : NUMBER_OK) || at != text + len ||
        (status == NUMBER_OK && bits_of(value) != bits_of(libc))) {
        fail_msg("number_read of %s: status %d, %a instead of %a", text, (int)status, (double)value,
                 (double)libc);
    }
    /* number_list needs bytes behind a number to be quick. */
    snprintf(list, sizeof list, "%.320s,%64s", text, "");
    at = list;
    if (number_list(&at, list + strlen(list), &quick, 1) == 1 &&
        (isinf(libc) || at != list + len || bits_of(quick) != bits_of(libc))) {
        fail_msg("number_list of %s: %a instead of %a", text, (double)quick, (double)libc);
    }
}

static const char *const known[] = {
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0e5",
    "0.000e-400",
    "1",
    "-1",
    "10",
    "0.5",
    "0.1",
    "1e0",
    "1E+2",
    "1e-2",
    "16777216",
    "16777217",
    "16777219",
    "33554434.0",
    "33554438",
    "3.4028235e38",
    "3.4028234e38",
    "340282346638528859811704183484516925440",
    /* The middle between the largest and 2^128 is too large; just below it is not. */
    "340282356779733661637539395458142568447",
    "340282356779733661637539395458142568448",
    "340282356779733661637539395458142568447.9999999999999999999999999999999999999999999",
    "1e38",
    "1e39",
    "1e999",
    "-1e999",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "1.17549435e-38",
    "1.17549421e-38",
    "1.4e-45",
    "7e-46",
    "1e-46",
    "9e-46",
    "1e-400",
    /* Half of the smallest, exactly: ties to even, 0; and a little more. */
    "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319"
    "094181060791015625e-46",
    "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319"
    "0941810607910156250000000000000000000000001e-46",
    "0.00000000000000000000000000000000000000000000000000000000000000000000000000000000001e82",
    "123456789012345678901234567890e-20",
    "9007199254740993",
    "18446744073709551615",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "8.589934592000000000000000000000000000001e9",
    "8589934848",
    "8589934848.0000000001",
    "0.12345678",
    "0.123456789",
    "0.1234567890123456",
    "0.12345678901234567",
    "1234567.12345678",
};

static void numbers_of_known_value_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(known); i++) {
        check(known[i]);
    }
}

static void what_is_no_number_of_json_is_refused_where_it_stops_being_one(void **state)
{
    static const struct {
        const char *text;
        enum number_status status;
        size_t at;
    } cases[] = {
        { "", NUMBER_DIGIT, 0 },     { "-", NUMBER_DIGIT, 1 },         { "+1", NUMBER_DIGIT, 0 },
        { ".5", NUMBER_DIGIT, 0 },   { "-.5", NUMBER_DIGIT, 1 },       { "1.", NUMBER_DIGIT, 2 },
        { "1.e5", NUMBER_DIGIT, 2 }, { "1e", NUMBER_DIGIT, 2 },        { "1e+", NUMBER_DIGIT, 3 },
        { "1e-x", NUMBER_DIGIT, 3 }, { "01", NUMBER_ZERO, 0 },         { "-01", NUMBER_ZERO, 1 },
        { "00", NUMBER_ZERO, 0 },    { "00.5", NUMBER_ZERO, 0 },       { "NaN", NUMBER_DIGIT, 0 },
        { "inf", NUMBER_DIGIT, 0 },  { "-Infinity", NUMBER_DIGIT, 1 }, { "0x10", NUMBER_OK, 1 },
        { "1.5.5", NUMBER_OK, 3 },   { "1,5", NUMBER_OK, 1 },          { "1_000", NUMBER_OK, 1 },
        { "1e5e5", NUMBER_OK, 3 },   { "1f", NUMBER_OK, 1 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const char *at = cases[i].text;
        char list[128];
        float value;

        assert_int_equal(number_read(&at, cases[i].text + strlen(cases[i].text), &value),
                         cases[i].status);
        assert_int_equal(at - cases[i].text, cases[i].at);
        /* The quick way refuses it too, or stops at the same place. */
        snprintf(list, sizeof list, "%s%64s", cases[i].text, "");
        at = list;
        if (number_list(&at, list + strlen(list), &value, 1) == 1) {
            assert_int_equal(cases[i].status, NUMBER_OK);
            assert_int_equal(at - list, cases[i].at);
        } else {
            assert_ptr_equal(at, list);
        }
    }
}

static void a_list_stops_behind_its_last_number(void **state)
{
    static const char pad[] = "                                                                ";
    static const struct {
        const char *text;
        size_t n, at;
    } cases[] = {
        { "1,2,3]", 3, 5 }, { "1 , 2\n,\t3 ]", 3, 9 },  { "1,2,]", 2, 3 },
        { "1,,2]", 1, 1 },  { "1,\"2\"]", 1, 1 },       { "1,2.5,1e999,4]", 2, 5 },
        { "]", 0, 0 },      { "1 2]", 1, 1 },           { "1,-]", 1, 1 },
        { "1,01]", 1, 1 },  { "-1.5e-3,2E+1]", 2, 12 }, { "1,2,3,4,5]", 4, 7 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        char text[128];
        const char *at = text;
        float values[4];

        snprintf(text, sizeof text, "%s%s", cases[i].text, pad);
        assert_int_equal(number_list(&at, text + strlen(text), values, 4), cases[i].n);
        assert_int_equal(at - text, cases[i].at);
        /* Without bytes to spare it may read less, but never past the end. */
        for (size_t len = 0; len <= strlen(text); len++) {
            char *tight = malloc(len + 1);

            memcpy(tight, text, len);
            at = tight;
            number_list(&at, tight + len, values, 4);
            assert_true(at <= tight + len);
            free(tight);
        }
    }
}

static void random_texts_read_as_strtof_reads_them(void **state)
{
    struct rng rng;
    char text[256];

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = tests(); i-- > 0;) {
        const uint64_t r = rng_next(&rng);
        const double d = (rng_unit(&rng) - 0.5) * pow(10.0, (double)rng_below(&rng, 90) - 50.0);
        const float f = float_of((uint32_t)r);
        char *p = text;

        switch (i % 6) {
        case 0: /* any float, with 17 digits */
            snprintf(text, sizeof text, "%.17g", isfinite(f) ? (double)f : d);
            break;
        case 1:
            snprintf(text, sizeof text, "%.*f", (int)(r % 12), (rng_unit(&rng) - 0.5) * 100.0);
            break;
        case 2:
            snprintf(text, sizeof text, "%.*e", (int)(r % 25), d);
            break;
        case 3: /* more digits than are looked at first */
            snprintf(text, sizeof text, "%llu%llu.%llue%d", (unsigned long long)(r | 1),
                     (unsigned long long)rng_next(&rng), (unsigned long long)rng_next(&rng),
                     (int)(r % 100) - 85);
            break;
        case 4: /* digits by the handful, a point and an exponent somewhere */
            p += sprintf(p, "%s%d", r & 1 ? "-" : "", (int)(r >> 8 & 1023));
            if ((r & 2) != 0) {
                p += sprintf(p, ".%0*llu", (int)(r >> 20 & 15) + 1,
                             (unsigned long long)(r >> 30 & 0xFFFFF));
            }
            if ((r & 4) != 0) {
                sprintf(p, "%c%s%d", r & 8 ? 'e' : 'E', r & 16 ? "+" : "-", (int)(r >> 56) % 48);
            }
            break;
        default: /* whole numbers of every length */
            snprintf(text, sizeof text, "%llu", (unsigned long long)(r >> (r & 63)));
        }
        check(text);
    }
}

/* The middle between two neighbours, written out in full, and a digit above and below it. */
static void halves_between_floats_go_to_the_even_one(void **state)
{
    struct rng rng;
    char text[256];

    (void)state;
    rng_init(&rng, 8);
    for (size_t i = tests() / 20; i-- > 0;) {
        uint32_t bits = (uint32_t)rng_next(&rng) & 0x7FFFFFFF;
        double middle;
        char *last;

        if (i % 4 == 0) {
            bits %= 0x01000000; /* subnormals and their like */
        }
        if (bits >= 0x7F7FFFFF) {
            continue;
        }
        middle = ((double)float_of(bits) + (double)float_of(bits + 1)) / 2.0;
        snprintf(text, sizeof text, "%.112e", middle); /* exact: 113 digits */
        check(text);
        last = strchr(text, 'e') - 1;
        *last = (char)(*last == '0' ? '1' : *last - 1);
        check(text);
        snprintf(text, sizeof text, "%.*g", (int)(rng_next(&rng) % 12) + 14, middle);
        check(text);
        /* Exact but for a digit so far behind that nobody would look. */
        snprintf(text, sizeof text, "%.150f", middle);
        if (strlen(text) < 180) {
            strcat(text, "000000000000000000000000000000000000000000000001");
            check(text);
        }
    }
}

static void powers_and_their_neighbours_are_read(void **state)
{
    char text[80];

    (void)state;
    for (int e = -60; e <= 45; e++) {
        for (int d = 1; d < 100; d++) {
            snprintf(text, sizeof text, "%de%d", d, e);
            check(text);
            snprintf(text, sizeof text, "%d.%020de%d", d, d, e);
            check(text);
            snprintf(text, sizeof text, "%d99999999999999999999e%d", d, e);
            check(text);
        }
    }
    for (int e = -152; e <= 128; e++) {
        snprintf(text, sizeof text, "%.60g", ldexp(1.0, e));
        check(text);
        snprintf(text, sizeof text, "%.17g", nextafter(ldexp(1.0, e), 0.0));
        check(text);
        snprintf(text, sizeof text, "%.17g", nextafter(ldexp(1.0, e), 1e300));
        check(text);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(numbers_of_known_value_are_read),
        cmocka_unit_test(what_is_no_number_of_json_is_refused_where_it_stops_being_one),
        cmocka_unit_test(a_list_stops_behind_its_last_number),
        cmocka_unit_test(random_texts_read_as_strtof_reads_them),
        cmocka_unit_test(halves_between_floats_go_to_the_even_one),
        cmocka_unit_test(powers_and_their_neighbours_are_read),
    };

    return cmocka_run_group_tests_name("number", all, NULL, NULL);
}
