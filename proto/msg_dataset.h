/* What a data set says of itself, to clients and, in dataset.json beside its data, to the daemon
 * that finds it again at its next start. */
#ifndef MSG_DATASET_H
#define MSG_DATASET_H

#include "table.h"
#include "text.h"

#define DATASET_FORMAT 1

struct msg_dataset {
    const char *name;
    uint64_t generation; /* rises with every change */
    const struct table_info *info;
    const char *digest; /* SHA-256, 64 hex digits */
    double created;
    const struct table_stats *stats; /* NULL: leave them out */
};

/* {"name": ..., "rows": ..., "generation": ..., "features": {"dtype": "uint8", "shape": [60000,
 * 784]}, "targets": {"dtype": ..., "shape": [...], "kind": "labels"}, "classes": [...], "digest":
 * ..., "created": ..., "statistics": {"of": "columns", "min": [...], "max": [...], "mean": [...],
 * "deviation": [...], "imputed": [...]}}; a part that is not there is null. "of" is "all" for wide
 * data. */
void msg_dataset_encode(struct text *text, const struct msg_dataset *dataset);

/* dataset.json: the same with "format": 1 and "created" as a number; the statistics may be missing. */
void msg_dataset_store(struct text *text, const struct msg_dataset *dataset);
/* Reads dataset.json. name must have room for NAME_MAX_LEN + 1, digest for 65; *info and
 * *stats need their _done. Errors: ERR_SYNTAX or ERR_FIELD at the field. */
bool msg_dataset_load(const char *bytes, size_t len, char *name, char *digest, uint64_t *generation,
                      double *created, struct table_info *info, struct table_stats *stats,
                      struct err *err);

#endif
