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

#include "disk.h"
#include "job_store.h"
#include "learn_log.h"
#include "server.h"
#include "store.h"

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static char root[] = "/tmp/sigmad-test-XXXXXX";

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

/* ---- files as bytes ---- */

struct bytes {
    char *at; /* owned */
    size_t len;
};

static struct bytes bytes_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct bytes bytes = { malloc(1 << 20), 0 };

    assert_non_null(file);
    assert_non_null(bytes.at);
    bytes.len = fread(bytes.at, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void bytes_write(const char *path, const char *at, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Calls look for the file with each byte changed, and with each of its beginnings. at: the place
 * changed, or the length. */
static void damage_all(const char *path, void (*look)(size_t at, bool cut, void *arg), void *arg)
{
    static const char masks[] = { 1, 0x20, (char)0xff };
    struct bytes bytes = bytes_read(path);

    assert_true(bytes.len > 20);
    for (size_t i = 0; i < bytes.len; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            bytes.at[i] = (char)(bytes.at[i] ^ masks[m]);
            bytes_write(path, bytes.at, bytes.len);
            look(i, false, arg);
            bytes.at[i] = (char)(bytes.at[i] ^ masks[m]);
        }
    }
    for (size_t len = 0; len < bytes.len; len++) {
        bytes_write(path, bytes.at, len);
        look(len, true, arg);
    }
    bytes_write(path, bytes.at, bytes.len);
    free(bytes.at);
}

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
};

static void model_put(const char *name, struct model_file *ret)
{
    struct net *net = net_new();
    struct labels *labels = labels_new();
    struct err err = { 0 };

    snprintf(ret->folder, sizeof ret->folder, "%s/models/%s@1", root, name);
    snprintf(ret->path, sizeof ret->path, "%s/1.safetensors", ret->folder);
    assert_true(digest_net(net, labels, ret->digest, &err));
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
    assert_true(stored->origin.plan.learning_rate == plan.learning_rate);
    assert_true(stored->origin.plan.momentum == plan.momentum);
    assert_true(stored->origin.plan.nesterov == plan.nesterov);
    assert_true(stored->origin.plan.l2 == plan.l2);
    if (stored->net != NULL) {
        assert_true(digest_net(stored->net, stored->labels, digest, &err));
        assert_string_equal(digest, file->digest);
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

/* ---- learn logs ---- */

enum { ENTRIES = 3 };

struct log_file {
    char path[300];
    size_t ends[ENTRIES + 1]; /* of entries, after the bytes before the first */
    char digests[ENTRIES][DIGEST_HEX];
};

/* Calls with class indices and with numbers, each from the version before it. */
static void log_put(struct log_file *ret)
{
    static const float x[] = { 1, 2, 3, 0.5f, -1, 7 }, y[] = { 0, 1, 1, 0 };
    static const uint32_t classes[] = { 1, 0 };
    struct net *net = net_new();
    struct err err = { 0 };

    snprintf(ret->path, sizeof ret->path, "%s/learn-1-2", root);
    ret->ends[0] = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct data data = { .x = { DTYPE_F32, 2, 3, x },
                                   .classes = i != 1 ? classes : NULL,
                                   .values = i == 1 ? y : NULL };
        struct train_plan step = plan;
        struct share alone = SHARE_ALONE;
        struct trainer *trainer;
        struct text text = { 0 };
        struct version version = { .number = 2 + i, .created = (double)i };

        step.batch_size = 2;
        assert_true(trainer_create(net, &data, &step, &trainer, &err));
        assert_true(trainer_step(trainer, &alone, &err));
        trainer_free(trainer);
        assert_true(digest_net(net, NULL, version.origin.digest, &err));
        memcpy(ret->digests[i], version.origin.digest, DIGEST_HEX);
        if (i > 0) { /* came with a key: any digest will do for one */
            memcpy(version.origin.key.key, ret->digests[0], DIGEST_HEX);
            memcpy(version.origin.key.request, ret->digests[i], DIGEST_HEX);
        }
        learn_entry_encode(&text, &version, &step, &data, 2);
        assert_false(text.failed);
        assert_true(learn_log_append(ret->path, i == 0, text.data, text.len, &err));
        ret->ends[i + 1] = ret->ends[i] + text.len;
        text_done(&text);
    }
    net_free(net);
}

/* Entries before the damage are there, to the bit; that something is missing is known. */
static void log_look(size_t at, bool cut, void *arg)
{
    const struct log_file *file = arg;
    struct learn_log log;
    struct err err = { 0 };
    size_t whole = 0;

    while (file->ends[whole + 1] <= at) {
        whole++;
    }
    assert_true(learn_log_scan(root, 1, 2, &log, &err));
    assert_int_equal(log.count, whole);
    assert_int_equal(log.bytes, file->ends[whole]);
    assert_int_equal(log.broken, !cut);
    for (size_t i = 0; i < whole; i++) {
        const struct learn_entry *entry = &log.records[i].entry;
        const struct learn_key *key = &log.records[i].key;

        assert_int_equal(entry->version, 2 + i);
        assert_memory_equal(entry->digest, file->digests[i], sizeof entry->digest);
        assert_string_equal(key->key, i > 0 ? file->digests[0] : "");
        assert_string_equal(key->request, i > 0 ? file->digests[i] : "");
    }
    learn_log_done(&log);
}

static void a_damaged_log_ends_before_the_damage(void **state)
{
    struct log_file file;

    (void)state;
    log_put(&file);
    damage_all(file.path, log_look, &file);
}

static void a_log_leads_to_the_same_bits(void **state)
{
    struct log_file file;
    char digest[DIGEST_HEX];
    struct err err = { 0 };

    (void)state;
    log_put(&file);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct net *net = net_new();

        assert_true(learn_log_replay(root, 1, 2, 2 + i, net, NULL, &err));
        assert_true(digest_net(net, NULL, digest, &err));
        assert_string_equal(digest, file.digests[i]);
        net_free(net);
    }
}

/* A net that is not what the log goes on from leads elsewhere, which is not served. */
static void a_log_of_another_net_is_refused(void **state)
{
    struct log_file file;
    struct err err = { 0 };
    struct net *net = net_new();

    (void)state;
    log_put(&file);
    net->block[0] += 1.0f;
    assert_false(learn_log_replay(root, 1, 2, 3, net, NULL, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
    net_free(net);
}

static void a_cut_log_is_shortened_and_gone_on_with(void **state)
{
    struct log_file file;
    struct bytes bytes;
    struct learn_log log;
    struct err err = { 0 };
    char aside[320];

    (void)state;
    log_put(&file);
    snprintf(aside, sizeof aside, "%s.corrupt", file.path);
    bytes = bytes_read(file.path);
    bytes_write(file.path, bytes.at, file.ends[2] + 40);
    assert_true(learn_log_scan(root, 1, 2, &log, &err));
    assert_true(learn_log_cut(root, &log, &err));
    learn_log_done(&log);
    assert_int_not_equal(access(aside, F_OK), 0); /* nobody was told of it */
    assert_true(learn_log_append(file.path, false, bytes.at + file.ends[2],
                                 bytes.len - file.ends[2], &err));
    assert_true(learn_log_scan(root, 1, 2, &log, &err));
    assert_int_equal(log.count, ENTRIES);
    learn_log_done(&log);
    /* One whose bytes have changed stays aside, whole. */
    bytes.at[file.ends[1] + 50] = (char)(bytes.at[file.ends[1] + 50] ^ 1);
    bytes_write(file.path, bytes.at, bytes.len);
    assert_true(learn_log_scan(root, 1, 2, &log, &err));
    assert_true(log.broken);
    assert_true(learn_log_cut(root, &log, &err));
    learn_log_done(&log);
    free(bytes.at);
    bytes = bytes_read(aside);
    assert_int_equal(bytes.len, file.ends[3]);
    free(bytes.at);
    bytes = bytes_read(file.path);
    assert_int_equal(bytes.len, file.ends[1]);
    free(bytes.at);
}

static void names_of_logs(void **state)
{
    static const char *const others[] = { "learn-1-2.corrupt", "learn-1",       "learn-1-2 ",
                                          "learn-01-2",        "learn--1-2",    "1-2",
                                          "learn-1-",          "learn-1-2.tmp", "learn- 1-2",
                                          "learn-+1-2" };
    uint64_t base, first;

    (void)state;
    assert_true(learn_log_name("learn-12-34", &base, &first));
    assert_int_equal(base, 12);
    assert_int_equal(first, 34);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(learn_log_name(others[i], &base, &first));
    }
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

static int folder_make(void **state)
{
    struct err err = { 0 };
    char path[300];

    (void)state;
    disk_durability_set(DISK_PROCESS);
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = { "models", "jobs", "tmp" };

        snprintf(path, sizeof path, "%s/%s", root, names[i]);
        if (!disk_make_dirs(path, &err)) {
            return -1;
        }
    }
    return 0;
}

static int folder_remove(void **state)
{
    (void)state;
    disk_remove(root);
    return access(root, F_OK) == 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_version_is_refused),
        cmocka_unit_test(a_version_is_its_own),
        cmocka_unit_test(a_damaged_choice_is_refused),
        cmocka_unit_test(a_damaged_log_ends_before_the_damage),
        cmocka_unit_test(a_log_leads_to_the_same_bits),
        cmocka_unit_test(a_log_of_another_net_is_refused),
        cmocka_unit_test(a_cut_log_is_shortened_and_gone_on_with),
        cmocka_unit_test(names_of_logs),
        cmocka_unit_test(a_damaged_job_is_refused),
        cmocka_unit_test(a_damaged_description_is_refused),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
