/* The handlers of route.c's table: decode, act, encode. Each is in on_<noun>.c, documented there.
 * Loop thread. True: replied, or request_finish will be called later; false: err says why not. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include <stdbool.h>

struct request;
struct err;

bool on_model_put(struct request *req, struct err *err);
bool on_model_list(struct request *req, struct err *err);
bool on_model_get(struct request *req, struct err *err);
bool on_model_delete(struct request *req, struct err *err);
bool on_predict(struct request *req, struct err *err);
bool on_train(struct request *req, struct err *err);
bool on_learn(struct request *req, struct err *err);
bool on_evaluate(struct request *req, struct err *err);
bool on_export(struct request *req, struct err *err);
bool on_version_list(struct request *req, struct err *err);
bool on_version_get(struct request *req, struct err *err);
bool on_version_delete(struct request *req, struct err *err);
bool on_promote(struct request *req, struct err *err);

bool on_dataset_open(struct request *req, struct err *err);
bool on_dataset_put(struct request *req, struct err *err);
bool on_rows_open(struct request *req, struct err *err);
bool on_rows_post(struct request *req, struct err *err);
bool on_rows_get(struct request *req, struct err *err);
bool on_dataset_list(struct request *req, struct err *err);
bool on_dataset_get(struct request *req, struct err *err);
bool on_dataset_delete(struct request *req, struct err *err);

bool on_job_list(struct request *req, struct err *err);
bool on_job_get(struct request *req, struct err *err);
bool on_job_events(struct request *req, struct err *err);
bool on_job_pause(struct request *req, struct err *err);
bool on_job_resume(struct request *req, struct err *err);
bool on_job_patch(struct request *req, struct err *err);
bool on_job_delete(struct request *req, struct err *err);

bool on_bundle_get(struct request *req, struct err *err);
bool on_bundle_open(struct request *req, struct err *err);
bool on_bundle_put(struct request *req, struct err *err);

bool on_server(struct request *req, struct err *err);
bool on_openapi(struct request *req, struct err *err);
bool on_metrics(struct request *req, struct err *err);
bool on_v2(struct request *req, struct err *err);
bool on_v2_model(struct request *req, struct err *err);
bool on_v2_model_ready(struct request *req, struct err *err);
bool on_v2_config(struct request *req, struct err *err);
bool on_v2_model_stats(struct request *req, struct err *err);
bool on_v2_stats(struct request *req, struct err *err);
bool on_v2_index(struct request *req, struct err *err);
bool on_v2_load(struct request *req, struct err *err);
bool on_v2_unload(struct request *req, struct err *err);
bool on_infer(struct request *req, struct err *err);

bool on_live(struct request *req, struct err *err);
bool on_ready(struct request *req, struct err *err);

#endif
