#include "safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "export_tensor.h"
#include "msg_train.h"

#define NAME_LEN 64 /* room for a tensor's name */

/* A metadata member whose value is JSON of its own: as a string. */
static void spec_encode(struct text *text, const struct net_spec *spec, const struct labels *labels)
{
    struct text inner = { 0 };

    text_str(&inner, "{");
    msg_spec_encode(&inner, spec, labels);
    text_str(&inner, "}");
    if (inner.failed) {
        text->failed = true;
    } else {
        text_json(text, inner.data);
    }
    text_done(&inner);
}

/* A number as a string, "" when it is not known. */
static void fact_encode(struct text *text, const char *key, double value)
{
    text_printf(text, ", \"%s\": \"", key);
    if (!isnan(value)) {
        text_double(text, value);
    }
    text_str(text, "\"");
}

static void plan_encode(struct text *text, const struct train_plan *plan)
{
    struct text inner = { 0 };

    text_str(&inner, "{");
    msg_plan_encode(&inner, plan);
    text_str(&inner, "}");
    text_str(text, ", \"plan\": ");
    text->failed = text->failed || inner.failed;
    text_json(text, inner.data != NULL ? inner.data : "");
    text_done(&inner);
}

static void facts_encode(struct text *text, const struct msg_version *facts)
{
    text_printf(text, ", \"version\": \"%" PRIu64 "\"", facts->version);
    fact_encode(text, "created", facts->created);
    text_printf(text, ", \"source\": \"%s\", \"job\": \"%" PRIu64 "\", \"epoch\": \"%zu\"",
                facts->source, facts->job, facts->epoch);
    fact_encode(text, "loss", facts->loss);
    fact_encode(text, "accuracy", facts->accuracy);
    text_printf(text, ", \"digest\": \"%s\"", facts->digest);
    fact_encode(text, "model_created", facts->model_created);
    if (facts->has_plan) {
        plan_encode(text, &facts->plan);
    }
    if (facts->key != NULL && facts->key[0] != '\0') {
        text_printf(text, ", \"idempotency_key\": \"%s\", \"request\": \"%s\"", facts->key,
                    facts->request);
    }
}

static void tensor_encode(struct text *text, const char *name, const char *dtype, size_t rows,
                          size_t cols, size_t size, size_t *at)
{
    const size_t len = rows * (cols > 0 ? cols : 1) * size;

    text_printf(text, ", \"%s\": {\"dtype\": \"%s\", \"shape\": [%zu", name, dtype, rows);
    if (cols > 0) {
        text_printf(text, ", %zu", cols);
    }
    text_printf(text, "], \"data_offsets\": [%zu, %zu]}", *at, *at + len);
    *at += len;
}

/* Weight and bias of each layer, under names that begin with prefix. */
static void layers_encode(struct text *text, const char *prefix, const struct net *net, size_t *at)
{
    char name[NAME_LEN];

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        snprintf(name, sizeof name, "%slayers.%zu.weight", prefix, l);
        tensor_encode(text, name, "F32", net->layer[l].out, net->layer[l].in, 4, at);
        snprintf(name, sizeof name, "%slayers.%zu.bias", prefix, l);
        tensor_encode(text, name, "F32", net->layer[l].out, 0, 4, at);
    }
}

/* The oldest format that has all that is in the file. */
static int format_of(const struct net *net, const struct msg_version *facts,
                     const struct carry *carry)
{
    return carry != NULL || net->spec.target_norm != NORM_NONE                ? 3
           : facts != NULL && facts->has_plan && !plan_is_plain(&facts->plan) ? 2
                                                                              : 1;
}

static void carry_encode(struct text *text, const struct carry *carry)
{
    text_str(text, ", \"carry\": \"");
    text_double(text, carry->power[0]);
    text_str(text, " ");
    text_double(text, carry->power[1]);
    text_str(text, "\"");
}

static void header_encode(struct text *text, const struct net *net, const struct labels *labels,
                          const struct msg_version *facts, const struct carry *carry, bool checksum)
{
    char prefix[NAME_LEN];
    size_t at = 0;

    /* Its digits are at SAFETENSORS_CRC_AT: whoever writes the file puts them in. */
    text_printf(text, "{\"__metadata__\": {%s", checksum ? "\"header_crc32\": \"00000000\", " : "");
    text_printf(text, "\"format\": \"sigmad\", \"format_version\": \"%d\", \"spec\": ",
                format_of(net, facts, carry));
    spec_encode(text, &net->spec, labels);
    if (facts != NULL) {
        facts_encode(text, facts);
    }
    if (carry != NULL) {
        carry_encode(text, carry);
    }
    text_str(text, "}");
    layers_encode(text, "", net, &at);
    if (net->shift != NULL) {
        tensor_encode(text, "norm.shift", "F32", net->spec.inputs, 0, 4, &at);
        tensor_encode(text, "norm.scale", "F32", net->spec.inputs, 0, 4, &at);
    }
    if (net->target_shift != NULL) {
        tensor_encode(text, "norm.target_shift", "F32", spec_outputs(&net->spec), 0, 4, &at);
        tensor_encode(text, "norm.target_scale", "F32", spec_outputs(&net->spec), 0, 4, &at);
    }
    for (size_t i = 0; carry != NULL && i < carry->blocks; i++) {
        snprintf(prefix, sizeof prefix, "optimizer.%zu.", i);
        layers_encode(text, prefix, net, &at);
    }
    if (checksum) {
        tensor_encode(text, "sigmad.checksum", "U8", SAFETENSORS_CHECKSUM, 0, 1, &at);
    }
    text_str(text, "}");
}

void safetensors_head(struct text *text, const struct net *net, const struct labels *labels,
                      const struct msg_version *facts, const struct carry *carry, bool checksum)
{
    struct text header = { 0 };
    char length[8];

    header_encode(&header, net, labels, facts, carry, checksum);
    while (!header.failed && header.len % 8 != 0) {
        text_str(&header, " ");
    }
    for (size_t i = 0; i < sizeof length; i++) {
        length[i] = (char)(header.len >> (8 * i) & 0xff);
    }
    text->failed = text->failed || header.failed;
    text_add(text, length, sizeof length);
    text_add(text, header.data != NULL ? header.data : "", header.len);
    text_done(&header);
}

/* The layers in logical order: the net's, or, with a carry, those of its block i. */
static bool layers_data(const struct net *net, const struct carry *carry, size_t i,
                        bool (*add)(void *arg, const void *bytes, size_t len, struct err *err),
                        void *arg, struct err *err)
{
    bool ok = true;

    for (size_t l = 0; ok && l < net->spec.n_layers; l++) {
        const size_t n = net->layer[l].out * net->layer[l].in;
        float *flat = malloc((n + net->layer[l].out) * sizeof *flat);

        if (flat == NULL) {
            return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
        }
        if (carry != NULL) {
            carry_get_layer(carry, net, i, l, flat, flat + n);
        } else {
            net_get_layer(net, l, flat, flat + n);
        }
        ok = add(arg, flat, (n + net->layer[l].out) * sizeof *flat, err);
        free(flat);
    }
    return ok;
}

bool safetensors_data(const struct net *net, const struct carry *carry,
                      bool (*add)(void *arg, const void *bytes, size_t len, struct err *err),
                      void *arg, struct err *err)
{
    const size_t inputs = net->spec.inputs * sizeof(float);
    const size_t outputs = spec_outputs(&net->spec) * sizeof(float);
    bool ok = layers_data(net, NULL, 0, add, arg, err);

    ok = ok && (net->shift == NULL ||
                (add(arg, net->shift, inputs, err) && add(arg, net->scale, inputs, err)));
    ok = ok && (net->target_shift == NULL || (add(arg, net->target_shift, outputs, err) &&
                                              add(arg, net->target_scale, outputs, err)));
    for (size_t i = 0; ok && carry != NULL && i < carry->blocks; i++) {
        ok = layers_data(net, carry, i, add, arg, err);
    }
    return ok;
}

bool safetensors_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    const size_t n = export_tensors(e->net);
    bool over = false;

    if (e->stage == 0) {
        const size_t before = text->len;
        struct export_tensor tensor;

        safetensors_head(text, e->net, e->labels, e->facts, NULL, false);
        e->total = text->len - before;
        for (size_t i = 0; i < n; i++) {
            export_tensor_at(e->net, i, &tensor);
            e->total += tensor.bytes;
        }
        e->stage = 1;
        return true;
    }
    if (!export_tensor_next(e, e->layer, text, &over, err)) {
        return false;
    }
    e->layer += over;
    *end = e->layer == n;
    return true;
}
