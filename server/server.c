#include "server.h"

#include <stdint.h>
#include <time.h>

double server_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

double server_clock(void)
{
    return (double)uv_hrtime() * 1e-9;
}

struct model_limits server_model_limits(const struct server *server)
{
    const struct options *o = &server->options;

    return (struct model_limits){ o->max_layers, o->max_units, o->max_parameters };
}

struct rows_limits server_rows_limits(const struct server *server, size_t inputs, size_t outputs)
{
    return (struct rows_limits){ inputs, outputs, server->options.max_rows };
}

struct table_limits server_table_limits(const struct server *server)
{
    return (struct table_limits){ server->options.max_features, SIZE_MAX };
}
