/* Files of the store whose bytes change or whose end is missing: they are refused, or nothing is
 * lost. Every byte of each kind of file is tried, in two ways, and every length. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "damage.h"
#include "disk.h"
#include "job_store.h"
#include "server.h"
#include "state_folder.h"
#include "store.h"

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static const struct model_limits no_limits = { SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };
static const struct net_spec spec = { .inputs = 3,
                                      .n_layers = 2,
                                      .layers = { { 4, ACT_TANH }, { 2, ACT_SOFTMAX } },
                                      .cost = COST_LOG_LIKELIHOOD,
                                      .norm = NORM_STANDARD,
                                      .seed = 5 };
static const struct train_plan plan = {
    .batch_size = 3, .learning_rate = 0.3f, .momentum = 0.5f, .nesterov = true, .l2 = 0.25f
};

/* ---- a model ---- */

static struct net *net_new(void)
{
    static const float shift[] = { 1, 2, 3 }, scale[] = { 0.5f, 2, 1 };
    struct err err = { 0 };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    assert_true(net_set_norm(net, shift, scale, &err));
    return net;
}

static struct labels *labels_new(void)
{
    static const char *const names[] = { "yes", "n\xc3\xb6" };
    struct labels *labels;
    struct err err = { 0 };

    assert_true(labels_create(names, 2, &labels, &err));
    return labels;
}

struct model_file {
    char folder[200], path[300];
    char digest[DIGEST_HEX];
    struct msg_version facts;
    struct carry *carry; /* a reference; NULL: none */
};

static void model_put(const char *name, struct model_file *ret)
{
    struct net *net = net_new();
    struct labels *labels = labels_new();
    struct err err = { 0 };

    snprintf(ret->folder, sizeof ret->folder, "%s/models/%s@1", root, name);
    snprintf(ret->path, sizeof ret->path, "%s/1.safetensors", ret->folder);
    assert_true(digest_net(net, labels, ret->digest, &err));
    ret->carry = NULL;
    ret->facts = (struct msg_version){ .version = 1,
                                       .created = 1.5e9,
                                       .source = "train",
                                       .job = 7,
                                       .epoch = 3,
                                       .loss = 0.25,
                                       .accuracy = NAN,
                                       .digest = ret->digest,
                                       .model_created = 1.25e9,
                                       .has_plan = true,
                                       .plan = plan };
    assert_true(store_create(root, ret->folder, net, labels, &ret->facts, &err));
    net_free(net);
    labels_free(labels);
}

/* Version 1 in place of that, with what adam carries after two steps. */
static void model_put_carry(const char *name, struct model_file *ret)
{
    static const float x[] = { 1, 2, 3 };
    static const uint32_t class = 1;
    const struct data data = { .x = { DTYPE_F32, 1, 3, x }, .classes = &class };
    struct net *net = net_new();
    struct labels *labels = labels_new();
    struct carry *carry = NULL, *next;
    struct err err = { 0 };
    struct train_sum sum;

    model_put(name, ret);
    optimizer_default(OPT_ADAM, &ret->facts.plan);
    for (int i = 0; i < 2; i++) {
        assert_true(carry_step(net, &data, &ret->facts.plan, carry, &next, &sum, &err));
        carry_unref(carry);
        carry = next;
    }
    carry->power[1] = 5e-324; /* so small it is long after, and stays what it is */
    ret->carry = carry;
    assert_true(digest_net(net, labels, ret->digest, &err));
    assert_int_equal(unlink(ret->path), 0);
    assert_true(store_save(ret->folder, net, labels, &ret->facts, carry, &err));
    net_free(net);
    labels_free(labels);
}

/* What was read is what was written, to the bit. */
static void stored_check(const struct stored *stored, const struct model_file *file)
{
    char digest[DIGEST_HEX];
    struct err err = { 0 };

    assert_true(stored->created == file->facts.created);
    assert_true(stored->model_created == file->facts.model_created);
    assert_int_equal(stored->origin.source, SOURCE_TRAIN);
    assert_int_equal(stored->origin.job, 7);
    assert_int_equal(stored->origin.epoch, 3);
    assert_true(stored->origin.loss == 0.25);
    assert_true(isnan(stored->origin.accuracy));
    assert_string_equal(stored->origin.digest, file->digest);
    assert_true(stored->origin.has_plan);
    assert_int_equal(stored->origin.plan.optimizer, file->facts.plan.optimizer);
    assert_true(stored->origin.plan.learning_rate == file->facts.plan.learning_rate);
    assert_true(stored->origin.plan.momentum == file->facts.plan.momentum);
    assert_true(stored->origin.plan.nesterov == file->facts.plan.nesterov);
    assert_true(stored->origin.plan.l2 == file->facts.plan.l2);
    if (stored->net == NULL) {
        assert_null(stored->carry);
        return;
    }
    assert_true(digest_net(stored->net, stored->labels, digest, &err));
    assert_string_equal(digest, file->digest);
    assert_int_equal(stored->carry != NULL, file->carry != NULL);
    if (stored->carry != NULL) {
        assert_memory_equal(stored->carry->power, file->carry->power, sizeof file->carry->power);
        assert_int_equal(stored->carry->blocks, 2);
        assert_memory_equal(stored->carry->block, file->carry->block, carry_bytes(file->carry));
        assert_true(carry_goes_on(stored->carry, &file->facts.plan));
    }
}

static void version_look(size_t at, bool cut, void *arg)
{
    const struct model_file *file = arg;
    struct stored stored;
    struct err err = { 0 };

    (void)at;
    (void)cut;
    assert_false(store_read(file->folder, 1, &no_limits, true, true, &stored, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
    /* The header alone: its facts are right, or refused. */
    err = (struct err){ 0 };
    if (store_read(file->folder, 1, &no_limits, false, false, &stored, &err)) {
        stored_check(&stored, file);
        stored_done(&stored);
    }
}

static void a_damaged_version_is_refused(void **state)
{
    struct model_file file;
    struct stored stored;
    struct err err = { 0 };

    (void)state;
    model_put("damaged", &file);
    damage_all(file.path, version_look, &file);
    assert_true(store_read(file.folder, 1, &no_limits, true, true, &stored, &err));
    stored_check(&stored, &file);
    stored_done(&stored);
    model_put_carry("carries", &file);
    damage_all(file.path, version_look, &file);
    assert_true(store_read(file.folder, 1, &no_limits, true, true, &stored, &err));
    stored_check(&stored, &file);
    stored_done(&stored);
    carry_unref(file.carry);
}

/* As far as nothing is carried, files are those that older servers read. */
static void a_file_has_the_oldest_format_that_will_do(void **state)
{
    static const char *const formats[] = { "1", "3" };
    struct model_file files[2];

    (void)state;
    model_put("plain", &files[0]);
    model_put_carry("adam", &files[1]);
    for (size_t i = 0; i < 2; i++) {
        struct bytes bytes = bytes_read(files[i].path);
        char wanted[40];

        snprintf(wanted, sizeof wanted, "\"format_version\": \"%s\"", formats[i]);
        assert_non_null(memmem(bytes.at, bytes.len, wanted, strlen(wanted)));
        free(bytes.at);
    }
    carry_unref(files[1].carry);
}

static void a_version_is_its_own(void **state)
{
    struct model_file file;
    struct stored stored;
    struct err err = { 0 };
    char other[300];

    (void)state;
    model_put("moved", &file);
    snprintf(other, sizeof other, "%s/2.safetensors", file.folder);
    assert_int_equal(rename(file.path, other), 0);
    assert_false(store_read(file.folder, 2, &no_limits, true, false, &stored, &err));
    assert_int_equal(err.code, ERR_FIELD);
}

/* ---- which version is served ---- */

static void serving_look(size_t at, bool cut, void *arg)
{
    struct serving serving = { 0 };
    struct err err = { 0 };

    (void)at;
    (void)cut;
    assert_false(store_serving(arg, &serving, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
}

static void a_damaged_choice_is_refused(void **state)
{
    const struct serving wanted = { 12, 345, 1764037838.125 };
    struct serving got = { 0 };
    struct err err = { 0 };
    char path[300];

    (void)state;
    assert_true(store_serving(root, &got, &err)); /* there is none yet */
    assert_int_equal(got.version, 0);
    assert_true(store_serve(root, &wanted, &err));
    snprintf(path, sizeof path, "%s/served", root);
    damage_all(path, serving_look, root);
    assert_true(store_serving(root, &got, &err));
    assert_int_equal(got.version, 12);
    assert_int_equal(got.last, 345);
    assert_true(got.since == wanted.since);
}

/* ---- jobs ---- */

static void record_look(size_t at, bool cut, void *arg)
{
    void *bytes;
    size_t len, text_len;
    struct err err = { 0 };

    (void)at;
    (void)cut;
    assert_false(disk_text_map(arg, &bytes, &len, &text_len, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
}

static void checkpoint_look(size_t at, bool cut, void *arg)
{
    struct checkpoint checkpoint;
    struct err err = { 0 };

    (void)at;
    (void)cut;
    (void)arg;
    assert_false(job_store_checkpoint(root, 9, &checkpoint, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
}

static void a_damaged_job_is_refused(void **state)
{
    struct msg_epoch history[] = { { .epoch = 1, .loss = 0.5, .accuracy = NAN, .seconds = 1 } };
    struct job_file file = { .id = 9,
                             .model = "m",
                             .folder = "m@3",
                             .state = JOB_RUNNING,
                             .epochs = 4,
                             .plan = plan,
                             .labels = labels_new(),
                             .history = history,
                             .n_history = 1,
                             .key = "a \"key\"" };
    const struct checkpoint_head head = { .job = 9, .epochs_done = 1, .blocks = 1 };
    struct net *net = net_new();
    struct checkpoint checkpoint, again;
    struct err err = { 0 };
    char path[300];

    (void)state;
    assert_true(checkpoint_make(&head, net, net->block, net, &checkpoint, &err));
    assert_true(job_store_create(root, &file, NULL, NULL, &err));
    assert_true(job_store_save(root, &file, &checkpoint, &err));
    snprintf(path, sizeof path, "%s/jobs/9/job.json", root);
    damage_all(path, record_look, path);
    snprintf(path, sizeof path, "%s/jobs/9/checkpoint", root);
    damage_all(path, checkpoint_look, NULL);
    assert_true(job_store_checkpoint(root, 9, &again, &err));
    assert_int_equal(again.len, checkpoint.len);
    assert_memory_equal(again.head, checkpoint.head, checkpoint.len);
    checkpoint_done(&checkpoint);
    checkpoint_done(&again);
    net_free(net);
    labels_free(file.labels);
}

/* ---- data sets ---- */

static void rows_look(size_t at, bool cut, void *arg)
{
    struct dataset *dataset;
    struct err err = { 0 };

    (void)at;
    (void)cut;
    assert_false(dataset_open(arg, &dataset, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
}

static void a_damaged_description_is_refused(void **state)
{
    const struct table_info info = { .rows = 2,
                                     .x_dtype = DTYPE_F32,
                                     .x_rank = 2,
                                     .x_shape = { 2, 3 },
                                     .x_width = 3,
                                     .kind = TARGET_NUMBERS,
                                     .y_width = 2 };
    const struct job_file file = { .id = 10, .model = "m", .folder = "m@3" };
    struct dataset *dataset, *again;
    struct err err = { 0 };
    char digest[DIGEST_HEX], folder[200], path[300];

    (void)state;
    assert_true(
        dataset_inline(&info, calloc(6, sizeof(float)), calloc(4, sizeof(float)), &dataset, &err));
    assert_true(job_store_create(root, &file, dataset, NULL, &err));
    snprintf(folder, sizeof folder, "%s/jobs/10/data", root);
    snprintf(path, sizeof path, "%s/dataset.json", folder);
    damage_all(path, rows_look, folder);
    assert_true(dataset_open(folder, &again, &err));
    assert_true(dataset_digest(again, digest, &err));
    assert_string_equal(digest, again->digest);
    dataset_unref(again);
    /* Data of another length belong to something else. */
    snprintf(path, sizeof path, "%s/features", folder);
    assert_int_equal(truncate(path, 23), 0);
    assert_false(dataset_open(folder, &again, &err));
    dataset_unref(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_version_is_refused),
        cmocka_unit_test(a_version_is_its_own),
        cmocka_unit_test(a_file_has_the_oldest_format_that_will_do),
        cmocka_unit_test(a_damaged_choice_is_refused),
        cmocka_unit_test(a_damaged_job_is_refused),
        cmocka_unit_test(a_damaged_description_is_refused),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
