#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "text.h"

/* Keeps what it is given, and fails at the piece that it is told to. */
struct keeper {
    struct table_sink sink; /* first: what the reader sees */
    struct text features, targets;
    size_t pieces, fail_at;
};

static bool keep(struct keeper *keeper, struct text *text, const void *bytes, size_t len,
                 struct err *err)
{
    assert_true(len > 0 && len % 4 == 0);
    if (++keeper->pieces == keeper->fail_at) {
        return err_set(err, ERR_FULL, "", "the disk is full");
    }
    text_add(text, bytes, len);
    return true;
}

static bool keep_features(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    struct keeper *keeper = (struct keeper *)sink;

    return keep(keeper, &keeper->features, bytes, len, err);
}

static bool keep_targets(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    struct keeper *keeper = (struct keeper *)sink;

    return keep(keeper, &keeper->targets, bytes, len, err);
}

static struct keeper keeper_make(void)
{
    return (struct keeper){ .sink = { .features = keep_features, .targets = keep_targets } };
}

static void keeper_done(struct keeper *keeper)
{
    text_done(&keeper->features);
    text_done(&keeper->targets);
}

static const struct table_limits limits = { .max_features = 40000, .max_rows = 100000 };

static void both_parts_reach_the_sink_in_either_order(void **state)
{
    static const char *const bodies[] = {
        "{\"inputs\": [[1, 2], [3, 4], [5, 6]], \"labels\": [\"dog\", 10, \"dog\"]}",
        "{\"labels\": [\"dog\", 10, \"dog\"], \"inputs\": [[1, 2], [3, 4], [5, 6]]}",
    };
    static const float x[] = { 1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F };
    static const uint32_t y[] = { 0, 1, 0 }; /* as they were met */

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct keeper keeper = keeper_make();
        struct table_info info;
        struct err err = { 0 };

        assert_true(json_table_read(bodies[i], strlen(bodies[i]), CSV_BOTH, &limits, &keeper.sink,
                                    &info, &err));
        assert_int_equal(info.rows, 3);
        assert_int_equal(info.x_dtype, DTYPE_F32);
        assert_int_equal(info.x_rank, 2);
        assert_int_equal(info.x_shape[0], 3);
        assert_int_equal(info.x_shape[1], 2);
        assert_int_equal(info.x_width, 2);
        assert_int_equal(info.kind, TARGET_LABELS);
        assert_int_equal(info.y_width, 1);
        assert_int_equal(info.classes->n, 2);
        assert_string_equal(info.classes->name[info.remap[0]], "dog");
        assert_string_equal(info.classes->name[info.remap[1]], "10");
        assert_int_equal(keeper.features.len, sizeof x);
        assert_memory_equal(keeper.features.data, x, sizeof x);
        assert_int_equal(keeper.targets.len, sizeof y);
        assert_memory_equal(keeper.targets.data, y, sizeof y);
        table_info_done(&info);
        keeper_done(&keeper);
    }
}

static void targets_that_are_numbers_are_kept_as_such(void **state)
{
    static const char body[] = "{\"inputs\": [[1]], \"targets\": [[0.5, -1]]}";
    static const float y[] = { 0.5F, -1.0F };
    struct keeper keeper = keeper_make();
    struct table_info info;
    struct err err = { 0 };

    (void)state;
    assert_true(
        json_table_read(body, sizeof body - 1, CSV_BOTH, &limits, &keeper.sink, &info, &err));
    assert_int_equal(info.kind, TARGET_NUMBERS);
    assert_int_equal(info.y_width, 2);
    assert_null(info.classes);
    assert_int_equal(keeper.targets.len, sizeof y);
    assert_memory_equal(keeper.targets.data, y, sizeof y);
    table_info_done(&info);
    keeper_done(&keeper);
}

static void parts_are_read_alone(void **state)
{
    static const struct {
        enum csv_part part;
        const char *body;
        enum target_kind kind;
        size_t rows, x_rank, y_width, features, targets;
    } cases[] = {
        { CSV_FEATURES, "[[1, 2], [3, 4]]", TARGET_NONE, 2, 2, 0, 16, 0 },
        { CSV_TARGETS, "[[1, 2], [3, 4], [5, 6]]", TARGET_NUMBERS, 3, 0, 2, 0, 24 },
        { CSV_TARGETS, " [ 7, \"7\" ] ", TARGET_LABELS, 2, 0, 1, 0, 8 },
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct keeper keeper = keeper_make();
        struct table_info info;
        struct err err = { 0 };

        assert_true(json_table_read(cases[i].body, strlen(cases[i].body), cases[i].part, &limits,
                                    &keeper.sink, &info, &err));
        assert_int_equal(info.kind, cases[i].kind);
        assert_int_equal(info.rows, cases[i].rows);
        assert_int_equal(info.x_rank, cases[i].x_rank);
        assert_int_equal(info.y_width, cases[i].y_width);
        assert_int_equal(keeper.features.len, cases[i].features);
        assert_int_equal(keeper.targets.len, cases[i].targets);
        if (cases[i].kind == TARGET_LABELS) {
            assert_int_equal(info.classes->n, 1); /* a digit is its own name */
        }
        table_info_done(&info);
        keeper_done(&keeper);
    }
}

/* {"labels": [0, 1, 2, 0, ...], "inputs": [[0, 1, ...], ...]} */
static void body_make(struct text *text, size_t rows, size_t width)
{
    text_str(text, "{\"labels\": [");
    for (size_t i = 0; i < rows; i++) {
        text_printf(text, "%s%zu", i == 0 ? "" : ", ", i % 3);
    }
    text_str(text, "], \"inputs\": [");
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < width; j++) {
            text_printf(text, "%s%zu", j > 0 ? ", " : i > 0 ? "], [" : "[", i * width + j);
        }
    }
    text_str(text, "]]}");
}

/* Sizes around those of the pieces: 16384 values. */
static void many_rows_arrive_in_pieces(void **state)
{
    static const size_t sizes[][2] = { { 16384, 1 }, { 16385, 1 }, { 40000, 3 }, { 32768, 2 },
                                       { 1, 20000 }, { 5, 33000 }, { 7, 16384 } };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t rows = sizes[i][0], width = sizes[i][1];
        struct keeper keeper = keeper_make();
        struct text body = { 0 };
        struct table_info info;
        struct err err = { 0 };
        const float *x;
        const uint32_t *y;

        body_make(&body, rows, width);
        assert_true(
            json_table_read(body.data, body.len, CSV_BOTH, &limits, &keeper.sink, &info, &err));
        assert_int_equal(info.rows, rows);
        assert_int_equal(info.x_width, width);
        assert_int_equal(keeper.features.len, rows * width * 4);
        assert_int_equal(keeper.targets.len, rows * 4);
        x = (const float *)(const void *)keeper.features.data;
        y = (const uint32_t *)(const void *)keeper.targets.data;
        for (size_t j = 0; j < rows * width; j++) {
            assert_true(x[j] == (float)j);
        }
        for (size_t j = 0; j < rows; j++) {
            assert_int_equal(y[j], j % 3);
        }
        table_info_done(&info);
        /* A sink that gives up is believed, at whichever piece. */
        for (size_t k = keeper.pieces; k > 0; k--) {
            struct keeper full = keeper_make();

            err = (struct err){ 0 };
            full.fail_at = k;
            assert_false(
                json_table_read(body.data, body.len, CSV_BOTH, &limits, &full.sink, &info, &err));
            assert_int_equal(err.code, ERR_FULL);
            assert_int_equal(full.pieces, k);
            keeper_done(&full);
        }
        keeper_done(&keeper);
        text_done(&body);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(both_parts_reach_the_sink_in_either_order),
        cmocka_unit_test(targets_that_are_numbers_are_kept_as_such),
        cmocka_unit_test(parts_are_read_alone),
        cmocka_unit_test(many_rows_arrive_in_pieces),
    };

    return cmocka_run_group_tests_name("json_table", all, NULL, NULL);
}
