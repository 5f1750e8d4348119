#include "table.h"

#include <stdlib.h>
#include <string.h>

void table_info_done(struct table_info *info)
{
    labels_free(info->classes);
    free(info->remap);
    free(info->imputed);
    free(info->fill);
    memset(info, 0, sizeof *info);
}

void table_stats_done(struct table_stats *stats)
{
    free(stats->values);
    *stats = (struct table_stats){ 0 };
}
