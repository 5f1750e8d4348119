/* Fields of every type, and each way in which one does not fit into its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "protobuf.h"

static void fields_of_every_type_are_read(void **state)
{
    static const char bytes[] = "\x08\x96\x01\x11\1\0\0\0\0\0\0\x80\x1a\2hi\x25\4\3\2\1";
    struct protobuf message = { bytes, bytes + sizeof bytes - 1 };
    struct protobuf_field field;
    struct err err = { 0 };
    bool more;

    (void)state;
    assert_true(protobuf_next(&message, &field, &more, &err) && more);
    assert_true(protobuf_is(&field, 1, PROTOBUF_VARINT) && field.bits == 150);
    assert_true(protobuf_next(&message, &field, &more, &err) && more);
    assert_true(protobuf_is(&field, 2, PROTOBUF_8) && field.bits == 0x8000000000000001);
    assert_true(protobuf_next(&message, &field, &more, &err) && more);
    assert_true(protobuf_is(&field, 3, PROTOBUF_BYTES) && protobuf_len(&field.bytes) == 2);
    assert_memory_equal(field.bytes.at, "hi", 2);
    assert_true(protobuf_next(&message, &field, &more, &err) && more);
    assert_true(protobuf_is(&field, 4, PROTOBUF_4) && field.bits == 0x01020304);
    assert_true(protobuf_next(&message, &field, &more, &err) && !more);
}

static void numbers_come_packed_or_not(void **state)
{
    static const char bytes[] = "\x08\1\x0a\3\2\xac\2\x10\7\x0a\0\x08\4";
    static const uint64_t want[] = { 1, 2, 300, 4 };
    struct protobuf_numbers numbers =
        protobuf_numbers((struct protobuf){ bytes, bytes + sizeof bytes - 1 }, 1, PROTOBUF_VARINT);
    struct err err = { 0 };
    uint64_t value;
    bool more;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(protobuf_numbers_next(&numbers, &value, &more, &err) && more);
        assert_int_equal(value, want[i]);
    }
    assert_true(protobuf_numbers_next(&numbers, &value, &more, &err) && !more);
}

static void what_does_not_fit_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } bad[] = {
        { "\x08\x80", 2, "ends within a varint" },
        { "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "more than 64 bits" },
        { "\x0a\5hi", 4, "a field of 5 bytes where 2 are left" },
        { "\x11\1", 2, "has 1 bytes where a number of 8" },
        { "\x0b", 1, "wire type 3" },
        { "\0", 1, "a field of number 0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct protobuf message = { bad[i].bytes, bad[i].bytes + bad[i].len };
        struct protobuf_field field;
        struct err err = { 0 };
        bool more;

        assert_false(protobuf_next(&message, &field, &more, &err));
        assert_int_equal(err.code, ERR_SYNTAX);
        assert_non_null(strstr(err.text, bad[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_every_type_are_read),
        cmocka_unit_test(numbers_come_packed_or_not),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
