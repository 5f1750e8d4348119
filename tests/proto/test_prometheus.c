#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "prometheus.h"

static void assert_text(struct text *text, const char *is)
{
    assert_false(text->failed);
    assert_string_equal(text->data, is);
    text_done(text);
}

static void a_family_is_a_head_and_its_samples(void **state)
{
    struct text text = { 0 };

    (void)state;
    prometheus_family(&text, "sigmad_jobs", "gauge", "Jobs, by state.");
    prometheus_sample(&text, "sigmad_jobs", LABELS("state", "queued", "of", "xor"), 3);
    prometheus_sample(&text, "sigmad_jobs", LABELS("state", ""), 0.25);
    prometheus_one(&text, "sigmad_steps_total", "counter", "Steps.", 123456789012345678.0);
    assert_text(&text, "# HELP sigmad_jobs Jobs, by state.\n"
                       "# TYPE sigmad_jobs gauge\n"
                       "sigmad_jobs{state=\"queued\",of=\"xor\"} 3\n"
                       "sigmad_jobs{state=\"\"} 0.25\n"
                       "# HELP sigmad_steps_total Steps.\n"
                       "# TYPE sigmad_steps_total counter\n"
                       "sigmad_steps_total 1.2345678901234568e17\n");
}

static void labels_are_escaped(void **state)
{
    struct text text = { 0 };

    (void)state;
    prometheus_sample(&text, "a", LABELS("b", "\\\"\n", "c", "x\\y\"z\n\xc3\xa4{}"), 1);
    assert_text(&text, "a{b=\"\\\\\\\"\\n\",c=\"x\\\\y\\\"z\\n\xc3\xa4{}\"} 1\n");
}

static void what_is_no_number_has_a_name(void **state)
{
    struct text text = { 0 };

    (void)state;
    prometheus_sample(&text, "a", NULL, NAN);
    prometheus_sample(&text, "a", NULL, INFINITY);
    prometheus_sample(&text, "a", NULL, -INFINITY);
    assert_text(&text, "a NaN\na +Inf\na -Inf\n");
}

static void a_bucket_holds_its_bound_and_all_below(void **state)
{
    static const double bounds[] = { 0.00025, 1, 60 };
    struct histogram histogram = { .bounds = bounds, .n = 3 };
    struct text text = { 0 };

    (void)state;
    histogram_observe(&histogram, 0.00025);
    histogram_observe(&histogram, 0.5);
    histogram_observe(&histogram, 1);
    histogram_observe(&histogram, 61);
    histogram_observe(&histogram, 1e9);
    prometheus_histogram(&text, "t_seconds", LABELS("route", "/a"), &histogram);
    assert_text(&text, "t_seconds_bucket{route=\"/a\",le=\"0.00025\"} 1\n"
                       "t_seconds_bucket{route=\"/a\",le=\"1\"} 3\n"
                       "t_seconds_bucket{route=\"/a\",le=\"60\"} 3\n"
                       "t_seconds_bucket{route=\"/a\",le=\"+Inf\"} 5\n"
                       "t_seconds_sum{route=\"/a\"} 1000000062.50025\n"
                       "t_seconds_count{route=\"/a\"} 5\n");
    histogram = (struct histogram){ .bounds = bounds, .n = 1 };
    prometheus_histogram(&text, "rows", NULL, &histogram);
    assert_text(&text, "rows_bucket{le=\"0.00025\"} 0\n"
                       "rows_bucket{le=\"+Inf\"} 0\n"
                       "rows_sum 0\n"
                       "rows_count 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_is_a_head_and_its_samples),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(what_is_no_number_has_a_name),
        cmocka_unit_test(a_bucket_holds_its_bound_and_all_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
