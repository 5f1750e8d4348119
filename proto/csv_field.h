/* The fields of a CSV text, one after the other.
 *
 *   text   = [ BOM ] record { newline record } [ newline ]         newline: LF or CR LF
 *   record = field { delimiter field }
 *   field  = spaces ( '"' { any but '"' | '""' } '"' | { any but '"' delimiter CR LF } ) spaces
 *
 * After RFC 4180; spaces are blanks and tabs that are not the delimiter, and do not belong to the
 * field unless they stand in its quotes. */
#ifndef CSV_FIELD_H
#define CSV_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct csv_cursor {
    const char *at, *end;
    char delimiter;
    size_t line; /* physical line of at, from 1 */
};

struct csv_field {
    const char *text; /* borrowed; between the quotes if it has some */
    size_t len;
    bool doubled;  /* quotes in the text are doubled */
    bool last;     /* of its record */
    size_t line;   /* on which it begins */
    size_t column; /* counts fields, from 1 */
};

/* Takes the field at the cursor, which then stands at the next field or record.
 * Errors: ERR_SYNTAX at "line N column M". */
bool csv_field_next(struct csv_cursor *cursor, size_t column, struct csv_field *ret,
                    struct err *err);

/* Takes line ends and blanks when nothing else is left. */
bool csv_field_done(struct csv_cursor *cursor);
/* Whether nothing but blanks is left of this line. */
bool csv_field_blank(const struct csv_cursor *cursor);

/* Writes the first room bytes of the text with its quotes undoubled; returns its whole length. */
size_t csv_field_text(const struct csv_field *field, char *ret, size_t room);

/* Without blanks around its text: in quotes they belong to a text, but not to its number. */
struct csv_field csv_field_trim(const struct csv_field *field);

/* The decimal number that the field holds, as C's strtof would read it but for hexadecimal, nan and
 * infinity. Errors: ERR_SYNTAX, or ERR_RANGE beyond float32, at "line N column M". */
bool csv_field_number(const struct csv_field *field, float *ret, struct err *err);
bool csv_field_is_number(const struct csv_field *field);
/* Whether it says that there is no value: it is empty, or NA, N/A, NaN, nan, null or ?. */
bool csv_field_is_missing(const struct csv_field *field);

/* err_set with the field's place as where, then the field's text in quotes unless that is empty. */
bool csv_field_error(const struct csv_field *field, enum err_code code, const char *text,
                     struct err *err);

#endif
