/* Training by FANN: mean square error, since it has no cross-entropy, and so checked against the
 * net that sigmad trains with that. A mini-batch is one epoch of FANN's over the batch's rows. */
#include <floatfann.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

static struct fann *net;
static struct fann_train_data *data;

void peer_begin(struct peer *peer)
{
    unsigned units[PEER_LAYERS_MAX + 1];
    const unsigned in = (unsigned)peer->units[0], out = (unsigned)peer->units[peer->layers];

    for (size_t l = 0; l <= peer->layers; l++) {
        units[l] = (unsigned)peer->units[l];
    }
    net = fann_create_standard_array((unsigned)peer->layers + 1, units);
    data = fann_create_train((unsigned)peer->batch, in, out);
    if (net == NULL || data == NULL) {
        exit(1);
    }
    fann_set_activation_function_hidden(net, FANN_SIGMOID);
    fann_set_activation_function_output(net, FANN_SIGMOID);
    fann_set_activation_steepness_hidden(net, 0.5f); /* its sigmoid is 1 / (1 + e^(-2 s z)) */
    fann_set_activation_steepness_output(net, 0.5f);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_training_algorithm(net, FANN_TRAIN_BATCH);
    for (size_t i = 0; i < peer->batch; i++) {
        data->input[i] = peer->bx + i * in;
        data->output[i] = peer->by + i * out;
    }
    snprintf(peer->about, sizeof peer->about, "FANN 2.2.0, mean square error");
}

/* A unit's weights lie together, with the bias unit's last. */
void peer_load(struct peer *peer, const float *weights)
{
    float *at = net->weights;

    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        for (size_t j = 0; j < out; j++) {
            for (size_t k = 0; k < in; k++) {
                *at++ = weights[j * in + k];
            }
            *at++ = weights[in * out + j];
        }
        weights += in * out + out;
    }
}

void peer_store(struct peer *peer, float *weights)
{
    const float *at = net->weights;

    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        for (size_t j = 0; j < out; j++) {
            for (size_t k = 0; k < in; k++) {
                weights[j * in + k] = *at++;
            }
            weights[in * out + j] = *at++;
        }
        weights += in * out + out;
    }
}

void peer_step(struct peer *peer, const uint32_t *rows, size_t m)
{
    peer_gather(peer, rows, m);
    data->num_data = (unsigned)m;
    fann_set_learning_rate(net, peer->eta);
    fann_train_epoch(net, data);
}
