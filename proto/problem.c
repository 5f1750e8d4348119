#include "problem.h"

void problem_encode(struct text *text, const struct err *err, int status, const char *type,
                    const char *title)
{
    char detail[sizeof err->where + sizeof err->text];

    err_detail(err, detail, sizeof detail);
    text_str(text, "{\"type\": ");
    text_json(text, type);
    text_str(text, ", \"title\": ");
    text_json(text, title);
    text_printf(text, ", \"status\": %d, \"detail\": ", status);
    text_json(text, detail);
    text_str(text, ", \"error\": ");
    text_json(text, detail);
    if (err->where[0] != '\0') {
        text_str(text, ", \"field\": ");
        text_json(text, err->where);
    }
    text_str(text, "}");
}
