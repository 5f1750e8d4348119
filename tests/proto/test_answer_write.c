#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "answer_write.h"
#include "matrix.h"

enum { ROWS = 5, COLS = 3 };

static float values[ROWS][COLS] = {
    { 0.1F, 0.2F, 0.7F }, { 1, 0, 0 }, { 0.5F, 0.5F, 0 }, { -0.0F, 1e-45F, 0 }, { 3, 4, 5 }
};

static struct labels *labels_make(void)
{
    const char *const names[COLS] = { "a", "b\"", "c,d" };
    struct labels *labels;
    struct err err = { 0 };

    assert_true(labels_create(names, COLS, &labels, &err));
    return labels;
}

/* All of it, n rows at a time. */
static struct text write_all(struct answer_writer w, size_t n)
{
    struct text text = { 0 };
    bool end = false;

    while (!end) {
        const size_t left = ROWS - w.row;
        const struct matrix out = { left < n ? left : n, COLS, values[w.row] };

        answer_add(&w, &out, &text, &end);
    }
    assert_false(text.failed);
    return text;
}

static void expect(enum answer_form form, struct msg_answer answer, const char *want, size_t len)
{
    for (size_t n = 1; n <= ROWS; n++) {
        const struct answer_writer w = {
            .form = form, .answer = answer, .rows = ROWS, .cols = COLS
        };
        struct text text = write_all(w, n);

        assert_int_equal(text.len, len);
        assert_memory_equal(text.data, want, len);
        assert_true(answer_total(&w) == 0 || answer_total(&w) == len);
        text_done(&text);
    }
}

static void json_is_what_predict_gives(void **state)
{
    const struct matrix all = { ROWS, COLS, values[0] };
    struct labels *labels = labels_make();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct msg_answer answer = {
            .model = "m", .version = 3, .labels = i % 2 == 0 ? labels : NULL, .top = i / 2 * 2
        };
        struct text want = { 0 };

        answer.outputs = &all;
        msg_predict_encode(&want, &answer);
        answer.outputs = NULL;
        expect(ANSWER_JSON, answer, want.data, want.len);
        text_done(&want);
    }
    labels_free(labels);
}

static void raw_and_npy_are_the_values(void **state)
{
    const struct matrix all = { ROWS, COLS, values[0] };
    const struct msg_answer answer = { .model = "m", .version = 3 };
    struct text want = { 0 };

    (void)state;
    expect(ANSWER_RAW, answer, (const char *)values, sizeof values);
    matrix_npy_encode(&want, &all);
    expect(ANSWER_NPY, answer, want.data, want.len);
    text_done(&want);
}

static void csv_has_labels_when_there_are_some(void **state)
{
    static const char with[] =
        "label,a,\"b\"\"\",\"c,d\"\n\"c,d\",0.1,0.2,0.7\na,1,0,0\na,0.5,0.5,0\n"
        "\"b\"\"\",-0.0,1e-45,0\n\"c,d\",3,4,5\n";
    static const char without[] = "y0,y1,y2\n0.1,0.2,0.7\n1,0,0\n0.5,0.5,0\n-0.0,1e-45,0\n3,4,5\n";
    struct labels *labels = labels_make();
    struct msg_answer answer = { .model = "m", .version = 3 };

    (void)state;
    expect(ANSWER_CSV, answer, without, sizeof without - 1);
    answer.labels = labels;
    expect(ANSWER_CSV, answer, with, sizeof with - 1);
    labels_free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_what_predict_gives),
        cmocka_unit_test(raw_and_npy_are_the_values),
        cmocka_unit_test(csv_has_labels_when_there_are_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
