/* Learn logs, entry by entry: their bits come out again, and damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "damage.h"
#include "disk.h"
#include "learn_log.h"
#include "server.h"
#include "state_folder.h"

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static const struct net_spec spec = { .inputs = 3,
                                      .n_layers = 2,
                                      .layers = { { 4, ACT_TANH }, { 2, ACT_SOFTMAX } },
                                      .cost = COST_LOG_LIKELIHOOD,
                                      .norm = NORM_STANDARD,
                                      .seed = 5 };
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

enum { ENTRIES = 3 };

struct log_file {
    char path[300];
    struct train_plan plan;
    size_t ends[ENTRIES + 1]; /* of entries, after the bytes before the first */
    char digests[ENTRIES][DIGEST_HEX];
};

/* Calls with class indices and with numbers, each from the version before it. */
static void log_put_by(const struct train_plan *step, struct log_file *ret)
{
    static const float x[] = { 1, 2, 3, 0.5f, -1, 7 }, y[] = { 0, 1, 1, 0 };
    static const uint32_t classes[] = { 1, 0 };
    struct net *net = net_new();
    struct carry *carry = NULL, *next;
    struct err err = { 0 };

    snprintf(ret->path, sizeof ret->path, "%s/learn-1-2", root);
    ret->plan = *step;
    ret->ends[0] = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        const struct data data = { .x = { DTYPE_F32, 2, 3, x },
                                   .classes = i != 1 ? classes : NULL,
                                   .values = i == 1 ? y : NULL };
        struct text text = { 0 };
        struct version version = { .number = 2 + i, .created = (double)i };
        struct train_sum sum;

        assert_true(carry_step(net, &data, step, carry, &next, &sum, &err));
        assert_true(digest_net(net, NULL, version.origin.digest, &err));
        memcpy(ret->digests[i], version.origin.digest, DIGEST_HEX);
        if (i > 0) { /* came with a key: any digest will do for one */
            memcpy(version.origin.key.key, ret->digests[0], DIGEST_HEX);
            memcpy(version.origin.key.request, ret->digests[i], DIGEST_HEX);
        }
        learn_entry_encode(&text, &version, step, carry == NULL, &data, 2);
        carry_unref(carry);
        carry = next;
        assert_false(text.failed);
        assert_true(learn_log_append(ret->path, i == 0, text.data, text.len, &err));
        ret->ends[i + 1] = ret->ends[i] + text.len;
        text_done(&text);
    }
    carry_unref(carry);
    net_free(net);
}

/* Of each kind of entry: by sgd alone, by sgd with momentum, by adam with settings of its own. */
static struct train_plan log_plan(size_t kind)
{
    struct train_plan ret = { .batch_size = 2 };

    optimizer_default(kind == 2 ? OPT_ADAM : OPT_SGD, &ret);
    ret.momentum = kind == 1 ? 0.5f : 0.0f;
    ret.epsilon = kind == 2 ? 1e-5f : ret.epsilon;
    ret.l2 = 0.25f;
    return ret;
}

static void log_put(struct log_file *ret)
{
    const struct train_plan step = log_plan(0);

    log_put_by(&step, ret);
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
        assert_int_equal(log.records[i].carries, carry_blocks(&file->plan) > 0);
        assert_int_equal(log.records[i].anew, log.records[i].carries && i == 0);
        assert_int_equal(log.records[i].plan.optimizer, file->plan.optimizer);
        assert_true(log.records[i].plan.learning_rate == file->plan.learning_rate);
        assert_true(log.records[i].plan.momentum == file->plan.momentum);
        assert_true(log.records[i].plan.l2 == 0.25f);
        assert_int_equal(log.records[i].plan.batch_size, 2);
    }
    learn_log_done(&log);
}

static void a_damaged_log_ends_before_the_damage(void **state)
{
    struct log_file file;

    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        const struct train_plan step = log_plan(kind);

        log_put_by(&step, &file);
        damage_all(file.path, log_look, &file);
    }
}

static void a_log_leads_to_the_same_bits(void **state)
{
    struct log_file file;
    char digest[DIGEST_HEX];
    struct err err = { 0 };

    (void)state;
    for (size_t n = 0; n < 3 * ENTRIES; n++) {
        const struct train_plan step = log_plan(n / ENTRIES);
        struct carry *carry = NULL;
        struct net *net = net_new();

        log_put_by(&step, &file);
        assert_true(learn_log_replay(root, 1, 2, 2 + n % ENTRIES, net, &carry, NULL, &err));
        assert_true(digest_net(net, NULL, digest, &err));
        assert_string_equal(digest, file.digests[n % ENTRIES]);
        assert_int_equal(carry != NULL, carry_blocks(&step) > 0);
        carry_unref(carry);
        net_free(net);
    }
}

/* A log by adam whose first step goes on, with the base that it goes on from or without it. */
static void a_log_without_what_it_goes_on_with_is_refused(void **state)
{
    const struct train_plan step = log_plan(2), other = log_plan(1);
    struct log_file file;
    struct bytes bytes;
    struct err err = { 0 };

    (void)state;
    log_put_by(&step, &file);
    bytes = bytes_read(file.path);
    bytes_write(file.path, bytes.at + file.ends[1], bytes.len - file.ends[1]);
    for (int i = 0; i < 2; i++) {
        struct net *net = net_new();
        struct carry *carry = NULL;

        assert_true(i == 0 || carry_create(net, &other, &carry, &err));
        assert_false(learn_log_replay(root, 1, 2, 3, net, &carry, NULL, &err));
        assert_int_equal(err.code, ERR_SYNTAX);
        err = (struct err){ 0 };
        carry_unref(carry);
        net_free(net);
    }
    free(bytes.at);
}

/* Servers that kept nothing from call to call wrote a momentum into entries of the first kind. */
static void an_old_entry_with_momentum_carries_nothing(void **state)
{
    struct log_file file;
    struct train_plan step = log_plan(1);
    struct bytes bytes;
    struct learn_entry entry;
    uint32_t frame[4];
    char digest[2][DIGEST_HEX];
    struct net *net;
    struct carry *carry = NULL;
    struct err err = { 0 };

    (void)state;
    log_put_by(&step, &file);
    memcpy(digest[0], file.digests[0], DIGEST_HEX); /* momentum shows only in the second step */
    log_put(&file);
    bytes = bytes_read(file.path);
    memcpy(frame, bytes.at, sizeof frame);
    memcpy(&entry, bytes.at + sizeof frame, sizeof entry);
    entry.momentum = 0.5f;
    memcpy(entry.digest, digest[0], sizeof entry.digest);
    memcpy(bytes.at + sizeof frame, &entry, sizeof entry);
    frame[2] = (uint32_t)crc32_z(0, (const Bytef *)bytes.at + sizeof frame, frame[1]);
    frame[3] = (uint32_t)crc32_z(0, (const Bytef *)frame, 12);
    memcpy(bytes.at, frame, sizeof frame);
    bytes_write(file.path, bytes.at, file.ends[1]);
    free(bytes.at);
    net = net_new();
    assert_true(carry_create(net, &step, &carry, &err));
    assert_true(learn_log_replay(root, 1, 2, 2, net, &carry, NULL, &err));
    assert_null(carry);
    assert_true(digest_net(net, NULL, digest[1], &err));
    assert_string_equal(digest[1], digest[0]);
    net_free(net);
}

/* A net that is not what the log goes on from leads elsewhere, which is not served. */
static void a_log_of_another_net_is_refused(void **state)
{
    struct log_file file;
    struct err err = { 0 };
    struct net *net = net_new();
    struct carry *carry = NULL;

    (void)state;
    log_put(&file);
    net->block[0] += 1.0f;
    assert_false(learn_log_replay(root, 1, 2, 3, net, &carry, NULL, &err));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_log_ends_before_the_damage),
        cmocka_unit_test(a_log_leads_to_the_same_bits),
        cmocka_unit_test(a_log_without_what_it_goes_on_with_is_refused),
        cmocka_unit_test(an_old_entry_with_momentum_carries_nothing),
        cmocka_unit_test(a_log_of_another_net_is_refused),
        cmocka_unit_test(a_cut_log_is_shortened_and_gone_on_with),
        cmocka_unit_test(names_of_logs),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
