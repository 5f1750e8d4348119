#include "trial.h"

static void turn(struct trial *trial, bool shared)
{
    trial->shared = shared;
    trial->ns = 0;
    trial->steps = 0;
}

void trial_init(struct trial *trial)
{
    *trial = (struct trial){ .shared = true };
}

/* Whether steps alone are to be timed, shared ones taking that long. */
static bool is_due(const struct trial *trial, double step)
{
    const double times = trial->alone_step > 0.0 ? AFRESH : FIRST;

    return (double)trial->shared_ns >= times * (step > TRIAL_NS ? step : TRIAL_NS);
}

static void judge(struct trial *trial)
{
    const double step = (double)trial->ns / (double)trial->steps;

    trial->shared_ns += trial->ns;
    if (trial->alone_step > 0.0 && step > trial->alone_step) {
        trial->penalty *= 2;
        if (trial->penalty < JUDGE_NS) {
            trial->penalty = JUDGE_NS;
        } else if (trial->penalty > ALONE_MAX_NS) {
            trial->penalty = ALONE_MAX_NS;
        }
        trial->alone_for = trial->penalty;
        turn(trial, false);
        return;
    }
    trial->penalty /= 2;
    trial->alone_for = TRIAL_NS;
    turn(trial, !is_due(trial, step));
}

void trial_step(struct trial *trial, uint64_t ns)
{
    trial->ns += ns;
    trial->steps++;
    if (!trial->shared && trial->ns >= trial->alone_for) {
        trial->alone_step = (double)trial->ns / (double)trial->steps;
        trial->shared_ns = 0;
        turn(trial, true);
    } else if (trial->shared && trial->ns >= JUDGE_NS) {
        judge(trial);
    }
}
