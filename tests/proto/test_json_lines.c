#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "fail_malloc.h"
#include "memory_sink.h"
#include "text.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static const struct table_limits roomy = { .max_features = 1000, .max_rows = 100000 };

struct read {
    bool ok;
    struct memory_sink sink;
    struct table_info info;
    struct err err;
};

static struct read read_within(const char *text, size_t len, enum csv_part part,
                               enum target_kind kind, const struct table_limits *limits)
{
    struct read read = { .sink = memory_sink() };
    char *copy = test_malloc(len + 1); /* so that reading behind the end is seen */

    memcpy(copy, text, len);
    read.ok =
        json_lines_read(copy, len, part, kind, limits, &read.sink.sink, &read.info, &read.err);
    test_free(copy);
    assert_int_equal(read.ok, read.err.code == ERR_NONE);
    return read;
}

static struct read read_text(const char *text, enum csv_part part, enum target_kind kind)
{
    return read_within(text, strlen(text), part, kind, &roomy);
}

static void read_done(struct read *read)
{
    memory_sink_done(&read->sink);
    table_info_done(&read->info);
}

static void check_floats(const struct memory_part *part, const float *expect, size_t n)
{
    assert_int_equal(part->len, n * sizeof *expect);
    assert_memory_equal(part->bytes, expect, part->len);
}

/* Two rows of two features. */
static void check_features(const struct read *read)
{
    static const float expect[] = { 1.0F, 2.5F, -3.0F, 4.0F };

    assert_string_equal(read->err.text, "");
    assert_true(read->ok);
    assert_int_equal(read->info.rows, 2);
    assert_int_equal(read->info.x_dtype, DTYPE_F32);
    assert_int_equal(read->info.x_rank, 2);
    assert_int_equal(read->info.x_shape[0], 2);
    assert_int_equal(read->info.x_shape[1], 2);
    assert_int_equal(read->info.x_width, 2);
    check_floats(&read->sink.x, expect, N(expect));
}

static void objects_and_arrays_are_rows_with_labels(void **state)
{
    static const char *const texts[] = {
        "{\"inputs\": [1, 2.5], \"label\": \"dog\"}\n{\"label\": 10, \"inputs\": [-3, 4]}\n",
        "{\"inputs\":[1,2.5],\"label\":\"dog\"}\r\n\r\n  {\"inputs\":[-3,4],\"label\":10}",
        "[1, 2.5, \"dog\"]\n[-3, 4, 10]\n\n",
        "\n[1, 2.5, \"dog\"] \t\n{\"inputs\": [-3, 4], \"label\": \"10\"}\n",
    };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        struct read read = read_text(texts[i], CSV_BOTH, TARGET_LABELS);

        check_features(&read);
        assert_int_equal(read.info.kind, TARGET_LABELS);
        assert_int_equal(read.info.y_width, 1);
        assert_int_equal(read.sink.y.len, 2 * sizeof(uint32_t));
        assert_int_equal(read.info.classes->n, 2);
        for (size_t row = 0; row < 2; row++) {
            const uint32_t at = read.info.remap[memory_index(&read.sink.y, row)];

            assert_string_equal(read.info.classes->name[at], row == 0 ? "dog" : "10");
        }
        read_done(&read);
    }
}

static void targets_may_be_numbers(void **state)
{
    static const float one[] = { 0.5F, -1.0F }, two[] = { 0.5F, 7.0F, -1.0F, 8.0F };
    static const struct {
        const char *text;
        enum target_kind kind; /* which objects do not need */
        size_t width;
    } cases[] = {
        { "{\"inputs\": [1, 2.5], \"targets\": [0.5]}\n{\"targets\": [-1], \"inputs\": [-3, 4]}",
          TARGET_LABELS, 1 },
        { "{\"inputs\": [1, 2.5], \"targets\": [0.5, 7]}\n{\"targets\": [-1, 8], \"inputs\": [-3, "
          "4]}",
          TARGET_LABELS, 2 },
        { "[1, 2.5, 0.5]\n[-3, 4, -1]", TARGET_NUMBERS, 1 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct read read = read_text(cases[i].text, CSV_BOTH, cases[i].kind);

        check_features(&read);
        assert_int_equal(read.info.kind, TARGET_NUMBERS);
        assert_int_equal(read.info.y_width, cases[i].width);
        assert_null(read.info.classes);
        check_floats(&read.sink.y, cases[i].width == 1 ? one : two, 2 * cases[i].width);
        read_done(&read);
    }
}

static void parts_come_alone(void **state)
{
    static const float numbers[] = { 0.5F, -1.0F };
    struct read read = read_text("[1, 2.5]\n[-3, 4]\n", CSV_FEATURES, TARGET_LABELS);

    (void)state;
    check_features(&read);
    assert_int_equal(read.info.kind, TARGET_NONE);
    assert_int_equal(read.sink.y.len, 0);
    read_done(&read);

    read = read_text("\"b\"\n3\n\"b\"\n", CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, 3);
    assert_int_equal(read.info.x_rank, 0);
    assert_int_equal(read.info.classes->n, 2);
    assert_int_equal(read.sink.y.len, 3 * sizeof(uint32_t));
    read_done(&read);

    read = read_text("0.5\n-1\n", CSV_TARGETS, TARGET_NUMBERS);
    assert_true(read.ok);
    check_floats(&read.sink.y, numbers, 2);
    read_done(&read);

    read = read_text("[0.5]\n[-1]\n", CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    assert_int_equal(read.info.kind, TARGET_NUMBERS);
    check_floats(&read.sink.y, numbers, 2);
    read_done(&read);
}

static void many_rows_arrive_in_pieces(void **state)
{
    struct text text = { 0 };
    struct read read;
    const size_t rows = 40000;

    (void)state;
    for (size_t i = 0; i < rows; i++) {
        char line[64];

        snprintf(line, sizeof line, "[%zu, %zu.5, \"%zu\"]\n", i, i, i % 7);
        text_str(&text, line);
    }
    read = read_within(text.data, text.len, CSV_BOTH, TARGET_LABELS, &roomy);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, rows);
    assert_int_equal(read.sink.y.len, rows * sizeof(uint32_t));
    for (size_t i = 0; i < rows; i++) {
        assert_true(memory_float(&read.sink.x, 2 * i) == (float)i);
        assert_true(memory_float(&read.sink.x, 2 * i + 1) == (float)i + 0.5F);
        assert_int_equal(memory_index(&read.sink.y, i), i % 7);
    }
    read_done(&read);
    text_done(&text);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text;
        enum csv_part part;
        enum target_kind kind;
        enum err_code code;
        const char *where, *what;
    } cases[] = {
        { "\n \r\n", CSV_BOTH, TARGET_LABELS, ERR_SYNTAX, "body", "has no rows" },
        { "[1, 2, 3]\n[1, 2\n[1, 2, 3]", CSV_BOTH, TARGET_LABELS, ERR_SYNTAX, "body",
          "line 2 column 6: expected ',' or ']', but the line ends" },
        { "[1, 2, 3]\n[1, 2\n, 3]", CSV_BOTH, TARGET_LABELS, ERR_SYNTAX, "body",
          "line 2 column 6: expected ',' or ']', but the line ends" },
        { "[1, 2, 3]\n[1, 2,", CSV_BOTH, TARGET_LABELS, ERR_SYNTAX, "body",
          "line 2 column 7: expected a value, but the line ends" },
        { "[1, 2, 3] [4, 5, 6]\n", CSV_BOTH, TARGET_LABELS, ERR_SYNTAX, "body",
          "line 1 column 11: expected the end" },
        { "[1, 2, 3]\n\n{\"inputs\": [1, 2, 3], \"label\": 3}", CSV_BOTH, TARGET_LABELS, ERR_FIELD,
          "line 3 inputs", "has 3 values, expected 2" },
        { "[1, 2, 3]\n[1, 2]", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 2",
          "has 2 values, expected 3" },
        { "[1, 2, 3]\n[1, 2, 3, 4]", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 2",
          "has more than 3 values" },
        { "[1, 2, 3]\n[1, \"2\", 3]", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 2 [1]",
          "must be a number, is a string" },
        { "[1, 2, 3.5]", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1 [2]",
          "must be a string or a whole number, is 3.5" },
        { "[1, 2, \"a\"]", CSV_BOTH, TARGET_NUMBERS, ERR_FIELD, "line 1 [2]",
          "must be a number, is a string" },
        { "[1, 1e39, 3]", CSV_BOTH, TARGET_LABELS, ERR_RANGE, "line 1 [1]", NULL },
        { "[1]", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1",
          "must have a feature and a target, has 1 value" },
        { "3", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1",
          "must be an object or an array of numbers, is a number" },
        { "{\"inputs\": [1, 2]}", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1 targets",
          "is missing, and so is label: give one of them" },
        { "{\"label\": 2}", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1 inputs", "is missing" },
        { "{\"inputs\": [1], \"label\": 2, \"targets\": [1]}", CSV_BOTH, TARGET_LABELS, ERR_FIELD,
          "line 1 targets", "is there beside label: give one of them" },
        { "{\"inputs\": [1], \"labels\": [2]}", CSV_BOTH, TARGET_LABELS, ERR_FIELD, "line 1 labels",
          "is not a field of a row; its fields are inputs, label, targets" },
        { "[1, 2]\n{\"inputs\": [1], \"targets\": [1]}", CSV_BOTH, TARGET_LABELS, ERR_FIELD,
          "line 2 targets", "must be a label as in the first row" },
        { "{\"inputs\": [1], \"targets\": [1, 2]}\n[1, 2]", CSV_BOTH, TARGET_NUMBERS, ERR_FIELD,
          "line 2 [1]", "has 1 target, expected 2" },
        { "[1, 2]\n[3, \"x\"]", CSV_FEATURES, TARGET_NONE, ERR_FIELD, "line 2 [1]",
          "must be a number, is a string" },
        { "[]", CSV_FEATURES, TARGET_NONE, ERR_FIELD, "line 1", "has no values" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct read read = read_text(cases[i].text, cases[i].part, cases[i].kind);

        if (cases[i].what != NULL) {
            assert_string_equal(read.err.text, cases[i].what);
        }
        assert_string_equal(read.err.where, cases[i].where);
        assert_int_equal(read.err.code, cases[i].code);
        read_done(&read);
    }
}

static void limits_hold(void **state)
{
    static const struct table_limits tight = { .max_features = 2, .max_rows = 2 };
    const char *rows = "[1, 2, 3]\n[1, 2, 3]\n[1, 2, 3]", *wide = "[1, 2, 3, 4]";
    struct read read = read_within(rows, strlen(rows), CSV_BOTH, TARGET_LABELS, &tight);

    (void)state;
    assert_string_equal(read.err.where, "line 3");
    assert_string_equal(read.err.text, "is row 3, at most 2 are taken");
    assert_int_equal(read.err.code, ERR_TOO_LARGE);
    read_done(&read);
    read = read_within(wide, strlen(wide), CSV_BOTH, TARGET_LABELS, &tight);
    assert_string_equal(read.err.where, "line 1");
    assert_string_equal(read.err.text, "has 3 values, more than 2");
    assert_int_equal(read.err.code, ERR_TOO_LARGE);
    read_done(&read);
}

static void the_first_array_tells_lines_from_json(void **state)
{
    static const struct {
        const char *text;
        enum csv_part part;
        bool lines;
    } cases[] = {
        { "[1, 2, \"a\"]\n", CSV_BOTH, true },
        { " \n{\"inputs\": [1, 2], \"label\": 3}", CSV_BOTH, true },
        { "{\"label\": 3, \"inputs\": [1, 2]}", CSV_BOTH, true },
        { "{\"targets\": [1, 2], \"inputs\": [1, 2]}", CSV_BOTH, true },
        { "{\"inputs\": [[1, 2]], \"labels\": [3]}", CSV_BOTH, false },
        { "{\"labels\": [3], \"inputs\": [[1, 2]]}", CSV_BOTH, false },
        { "{\"targets\": [[3]], \"inputs\": [[1, 2]]}", CSV_BOTH, false },
        { "{\"inputs\": []}", CSV_BOTH, false },
        { "{}", CSV_BOTH, false },
        { "[1, 2]", CSV_FEATURES, true },
        { "[[1, 2]]", CSV_FEATURES, false },
        { "[\"a\", \"b\"]", CSV_TARGETS, false },
        { "[1, 2]\n", CSV_TARGETS, false },
        { "[1, 2]\n[3, 4]\n", CSV_TARGETS, true },
        { "[[1, 2], [3, 4]]\n", CSV_TARGETS, false },
        { "[1, 2\n", CSV_TARGETS, false },
        { "", CSV_BOTH, false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        assert_int_equal(json_lines_guess(cases[i].text, strlen(cases[i].text), cases[i].part),
                         cases[i].lines);
    }
}

static void without_memory_or_room_it_fails(void **state)
{
    static const char text[] = "{\"inputs\": [1, 2], \"label\": \"a\"}\n[1, 2, \"b\"]\n";
    bool ok = false;

    (void)state;
    for (size_t k = 1; !ok; k++) {
        struct memory_sink sink = memory_sink();
        struct table_info info = { 0 };
        struct err err = { 0 };

        fail_malloc_start(k);
        ok = json_lines_read(text, sizeof text - 1, CSV_BOTH, TARGET_LABELS, &roomy, &sink.sink,
                             &info, &err);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_MEMORY);
        memory_sink_done(&sink);
        table_info_done(&info);
        assert_int_equal(fail_malloc_live, 0);
        assert_true(k < 100);
    }
    fail_malloc_start(0);
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct memory_sink sink = memory_sink();
        struct table_info info;
        struct err err = { 0 };

        sink.fail_at = fail_at;
        assert_false(json_lines_read(text, sizeof text - 1, CSV_BOTH, TARGET_LABELS, &roomy,
                                     &sink.sink, &info, &err));
        assert_int_equal(err.code, ERR_FULL);
        memory_sink_done(&sink);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_are_rows_with_labels),
        cmocka_unit_test(targets_may_be_numbers),
        cmocka_unit_test(parts_come_alone),
        cmocka_unit_test(many_rows_arrive_in_pieces),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(the_first_array_tells_lines_from_json),
        cmocka_unit_test(without_memory_or_room_it_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
