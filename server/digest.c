#include "digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "msg_model.h"

bool digest_begin(struct digest *digest, struct err *err)
{
    gnutls_hash_hd_t handle;

    if (gnutls_hash_init(&handle, GNUTLS_DIG_SHA256) != 0) {
        return err_set(err, ERR_MEMORY, "digest", "cannot be computed");
    }
    digest->handle = handle;
    return true;
}

void digest_add(struct digest *digest, const void *bytes, size_t len)
{
    if (len > 0) {
        gnutls_hash(digest->handle, bytes, len);
    }
}

void digest_end_raw(struct digest *digest, unsigned char *ret)
{
    gnutls_hash_deinit(digest->handle, ret);
    digest->handle = NULL;
}

void digest_end(struct digest *digest, char *ret)
{
    unsigned char raw[32];

    digest_end_raw(digest, raw);
    for (size_t i = 0; ret != NULL && i < sizeof raw; i++) {
        snprintf(ret + 2 * i, 3, "%02x", raw[i]);
    }
}

bool digest_bytes(const void *bytes, size_t len, char *ret, struct err *err)
{
    struct digest digest;

    if (!digest_begin(&digest, err)) {
        return false;
    }
    digest_add(&digest, bytes, len);
    digest_end(&digest, ret);
    return true;
}

bool digest_net(const struct net *net, const struct labels *labels, char *ret, struct err *err)
{
    struct text text = { 0 };
    struct digest digest;
    float *flat = NULL;
    size_t most = 0;
    bool ok = false;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t n = net->layer[l].out * (net->layer[l].in + 1);

        most = n > most ? n : most;
    }
    msg_spec_encode(&text, &net->spec, labels);
    flat = malloc(most * sizeof *flat);
    if (flat == NULL || text.failed) {
        err_set(err, ERR_MEMORY, "digest", "does not fit into memory");
        goto out;
    }
    if (!digest_begin(&digest, err)) {
        goto out;
    }
    digest_add(&digest, text.data, text.len);
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const struct net_layer *layer = &net->layer[l];

        net_get_layer(net, l, flat, flat + layer->out * layer->in);
        digest_add(&digest, flat, layer->out * (layer->in + 1) * sizeof *flat);
    }
    if (net->shift != NULL) {
        digest_add(&digest, net->shift, net->spec.inputs * sizeof *net->shift);
        digest_add(&digest, net->scale, net->spec.inputs * sizeof *net->scale);
    }
    if (net->target_shift != NULL) {
        const size_t size = spec_outputs(&net->spec) * sizeof *net->target_shift;

        digest_add(&digest, net->target_shift, size);
        digest_add(&digest, net->target_scale, size);
    }
    digest_end(&digest, ret);
    ok = true;
out:
    free(flat);
    text_done(&text);
    return ok;
}
