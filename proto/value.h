/* Values as the fields of messages want them: whole numbers within limits, names, rows of numbers,
 * and objects with known fields.
 *
 * Errors, of every function: ERR_SYNTAX as scan.h has it; ERR_FIELD at "" (or "[i]" within an
 * array, "name" within an object) for another kind of value and for what is out of its limits;
 * ERR_RANGE for a number beyond float32. The caller says with value_in where the value sits. */
#ifndef VALUE_H
#define VALUE_H

#include "scan.h"

/* err_in for errors that are about the value; those about the bytes ("body") stay as they are.
 * Always returns false. */
bool value_in(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A whole number, min to max, written as one: 10, not 10.0 or 1e1. */
bool value_whole(struct scan *scan, uint64_t min, uint64_t max, uint64_t *ret, struct err *err);
/* The same with a sign. */
bool value_integer(struct scan *scan, int64_t min, int64_t max, int64_t *ret, struct err *err);
bool value_float(struct scan *scan, float *ret, struct err *err);
/* A number for float64; ERR_RANGE when beyond that. */
bool value_double(struct scan *scan, double *ret, struct err *err);
/* What a number may be: least to most, what is open being out. what says so to a client. */
struct value_limits {
    double least, most;
    bool open_least, open_most;
    const char *what;
};
extern const struct value_limits value_above_0, value_from_0, value_0_to_1, value_below_1;
/* A number within limits: "must be WHAT, is ..." otherwise, as it was written. */
bool value_float_in(struct scan *scan, const struct value_limits *limits, float *ret,
                    struct err *err);
bool value_double_in(struct scan *scan, const struct value_limits *limits, double *ret,
                     struct err *err);
bool value_boolean(struct scan *scan, bool *ret, struct err *err);
/* Whether null is there, and then past it: as if the field were not. */
bool value_null(struct scan *scan, bool *ret, struct err *err);
/* A string of less than cap bytes, with a NUL behind it. */
bool value_string(struct scan *scan, char *ret, size_t cap, size_t *len, struct err *err);

/* A string that is one of the n names; *ret is its index. */
bool value_choice(struct scan *scan, const char *const *names, size_t n, size_t *ret,
                  struct err *err);

/* read_NAME of a field whose value is one of `count` names, name_of((type)0) and on: it goes to
 * member, an lvalue in terms of `into`. */
#define VALUE_NAMED(read_name, member, type, name_of, count)                                       \
    static bool read_name(struct scan *scan, void *into, struct err *err)                          \
    {                                                                                              \
        const char *names[count];                                                                  \
        size_t at;                                                                                 \
                                                                                                   \
        for (at = 0; at < (count); at++) {                                                         \
            names[at] = name_of((type)at);                                                         \
        }                                                                                          \
        if (!value_choice(scan, names, count, &at, err)) {                                         \
            return false;                                                                          \
        }                                                                                          \
        (member) = (type)at;                                                                       \
        return true;                                                                               \
    }

/* [1, 2.5, ...]: the first room of them to ret, *n says how many there are. */
bool value_row(struct scan *scan, float *ret, size_t room, size_t *n, struct err *err);
/* The same where exactly n must be there: "has 5 values, expected 4". */
bool value_row_of(struct scan *scan, float *ret, size_t n, struct err *err);

/* A field that an object may have. read is called where its value begins and reads all of it. */
struct value_field {
    const char *name;
    bool (*read)(struct scan *scan, void *into, struct err *err);
    bool required;
};

#define VALUE_FIELDS_MAX 100

/* An object of these fields, in any order. Errors: ERR_FIELD at the field: "is not a field of WHAT;
 * its fields are a, b", "is there twice", "is missing"; and those of read, put under the name. */
bool value_object(struct scan *scan, const char *what, const struct value_field *fields, size_t n,
                  void *into, struct err *err);

/* The whole body: one such object and nothing behind it. */
bool value_body(const char *body, size_t len, const char *what, const struct value_field *fields,
                size_t n, void *into, struct err *err);

#endif
