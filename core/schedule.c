#include "schedule.h"

#include <assert.h>

#define PI 3.14159265358979323846
#define TERMS 16 /* of the series below: on 0 .. pi/2 what is left is below 2^-53 */

const char *schedule_name(enum schedule_kind kind)
{
    static const char *const names[SCHEDULE_COUNT] = { "constant", "step", "exponential", "cosine",
                                                       "plateau" };

    assert((int)kind >= 0 && kind < SCHEDULE_COUNT);
    return names[kind];
}

/* factor^n, by squaring. */
static double power(double factor, size_t n)
{
    double ret = 1.0;

    for (; n > 0; n /= 2, factor *= factor) {
        ret *= n % 2 != 0 ? factor : 1.0;
    }
    return ret;
}

/* cos x for x in 0 .. pi: its series, on the half where that is short. */
static double cosine(double x)
{
    const bool far = x > PI / 2.0;
    const double y = far ? PI - x : x;
    double term = 1.0, sum = 0.0;

    for (int i = 0; i < TERMS; i++) {
        sum += term;
        term *= -(y * y) / (double)((2 * i + 1) * (2 * i + 2));
    }
    return far ? -sum : sum;
}

double schedule_share(const struct schedule *schedule, size_t epoch, size_t epochs, size_t cuts)
{
    const double passed = (double)(epoch - 1);
    double share = 1.0;

    switch (schedule->kind) {
    case SCHEDULE_STEP:
        share = power(schedule->factor, (epoch - 1) / schedule->every);
        break;
    case SCHEDULE_EXPONENTIAL:
        share = power(schedule->factor, epoch - 1);
        break;
    case SCHEDULE_COSINE:
        share = schedule->least +
                (1.0 - schedule->least) * (1.0 + cosine(PI * passed / (double)epochs)) / 2.0;
        break;
    case SCHEDULE_PLATEAU:
        share = power(schedule->factor, cuts);
        break;
    case SCHEDULE_CONSTANT:
    case SCHEDULE_COUNT:
        break;
    }
    if (epoch <= schedule->warmup) {
        share *= (double)epoch / (double)(schedule->warmup + 1);
    }
    return share;
}

bool schedule_is_spent(const struct schedule *schedule, size_t cuts)
{
    return power(schedule->factor, cuts + 1) < schedule->least;
}
