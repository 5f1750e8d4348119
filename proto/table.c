#include "table.h"

#include <stdlib.h>
#include <string.h>

void table_info_done(struct table_info *info)
{
    labels_free(info->classes);
    free(info->remap);
    memset(info, 0, sizeof *info);
}
