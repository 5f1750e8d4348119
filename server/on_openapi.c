/* GET /openapi.json: every route, parameter, body and answer, as OpenAPI 3.1 has them. */
#include "handlers.h"

#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "etag.h"
#include "openapi.h"

struct described {
    char etag[ETAG_LEN]; /* of the bytes themselves: another build may say another thing */
};

static void tag_work(struct request *req)
{
    struct described *described = req->task;
    char digest[DIGEST_HEX];

    if (digest_bytes(openapi_json, openapi_json_len, digest, &req->err)) {
        snprintf(described->etag, sizeof described->etag, "\"%.32s\"", digest);
    }
}

static void tag_done(struct request *req)
{
    const struct described *described = req->task;
    struct text text = { 0 };
    bool fresh = false;

    if (req->err.code == ERR_NONE && etag_read(req, described->etag, &fresh, &req->err)) {
        if (fresh) { /* and answered */
            return;
        }
        text_add(&text, openapi_json, openapi_json_len);
        request_reply(req, 200, &text);
    }
    request_finish(req);
}

bool on_openapi(struct request *req, struct err *err)
{
    req->task = arena_alloc(&req->arena, 1, sizeof(struct described));
    if (req->task == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for a tag");
    }
    request_work(req, (double)openapi_json_len / DIGEST_BYTES_A_US, tag_work, tag_done);
    return true;
}
